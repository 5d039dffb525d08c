import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { providerText } from '../../protocol/wire/text.ts'
import type { HttpResponse } from '../http/http-client.ts'
import { clockSkewOf, retryAfterSeconds } from '../http/response-headers.ts'
import { classify, type OAuthErrorResponse, type RequestPurpose } from './error-table.ts'

/** How long openid-client's client assertions are good for. */
const ASSERTION_SECONDS = 60

/** The exchange an answer belongs to. */
export interface Exchange {
  readonly purpose: RequestPurpose
  /** Values that were sent and must not come back in a message. */
  readonly secrets: readonly Secret[]
  /** When the client signed what shows who it is, in milliseconds since 1970, where it did. */
  readonly signedAt?: number
}

/**
 * The one place where a provider's answer turns into an error: gives its JSON object where it is a
 * success.
 * @throws AgentError for every other status, form and content.
 */
export function successOf(response: HttpResponse, exchange: Exchange): JsonObject {
  checkStatus(response, exchange)
  const content = jsonOf(response)
  if (content === undefined) throw notJson(response)
  const errorResponse = errorResponseInBody(response, content)
  // Some providers refuse with status 200.
  if (errorResponse !== undefined && !('access_token' in content))
    throw refused(errorResponse, response, exchange)
  return content
}

/**
 * Checks the status only: revocation and deletion may be answered with any body, or none.
 * @throws AgentError
 */
export function checkStatus(response: HttpResponse, exchange: Exchange): void {
  const { status } = response
  if (status >= 200 && status < 300) return
  if (status >= 300 && status < 400) throw redirected(response, exchange)
  const errorResponse = errorResponseIn(response, jsonOf(response))
  throw errorResponse === undefined
    ? badStatus(response, exchange)
    : refused(errorResponse, response, exchange)
}

/** The AgentError of what openid-client threw: ours from below it, or its own complaint. */
export function upstreamError(error: unknown, host: string): AgentError {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof AgentError) return one
  }
  const complaint = deepest(error)
  return new AgentError(
    'provider-answer',
    `${host} sent an answer that cannot be used: ${providerText(complaint, [])}`,
    { cause: error },
  )
}

function refused(
  errorResponse: OAuthErrorResponse,
  response: HttpResponse,
  exchange: Exchange,
): AgentError {
  const { purpose, secrets } = exchange
  const { code, hint } = classify(errorResponse, purpose, `${response.url.origin}/`)
  if (code === 'authorization-pending' || code === 'slow-down') return peerError(code)
  const name = providerText(errorResponse.error, secrets)
  const description = providerText(errorResponse.description, secrets)
  const message = description === '' ? name : `${name}: ${description}`
  const skew = code === 'invalid-client' ? signatureSkew(response, exchange) : undefined
  return skew === undefined
    ? new AgentError(code, `${message}${waitOf(response)}`, { hint })
    : new AgentError('wrong-clock', message, {
        hint: `Check the clock of this machine: it differs from that of ${response.url.host} by ${Math.abs(skew)} s, and what is signed here is good for a minute.`,
      })
}

/** Seconds between the clocks, where they are why a signature is not accepted. */
function signatureSkew(response: HttpResponse, { signedAt }: Exchange): number | undefined {
  const skew = signedAt === undefined ? undefined : clockSkewOf(response, signedAt)
  return skew !== undefined && Math.abs(skew) >= ASSERTION_SECONDS ? skew : undefined
}

/** How long the provider wants to be left alone, for a person. */
function waitOf(response: HttpResponse): string {
  const seconds = retryAfterSeconds(response)
  return seconds === undefined ? '' : ` (to be asked again in ${seconds} s)`
}

function redirected({ url, status, headers }: HttpResponse, { purpose }: Exchange): AgentError {
  const target = headers['location'] ?? ''
  const shown = URL.canParse(target, url.href) ? new URL(target, url.href).origin : 'nowhere'
  return new AgentError(
    'provider-answer',
    `${url.host} answered ${status} with a redirect to ${shown}, which is not followed for a ${purpose} request`,
  )
}

function badStatus(response: HttpResponse, { purpose }: Exchange): AgentError {
  const { url, status } = response
  const { code, hint } = classify({ status, error: '', description: '' }, purpose, url.origin)
  const message = `${url.host} answered ${status} with ${formOf(response)}${waitOf(response)}`
  if (code === 'rate-limited' || code === 'provider-unavailable') {
    return new AgentError(code, message, { hint })
  }
  // IAM's answer to a device authorization of a client it does not know (wlcg.md §6).
  return purpose === 'device authorization' && status === 404
    ? new AgentError('invalid-client', message)
    : new AgentError('provider-status', message)
}

function notJson(response: HttpResponse): AgentError {
  const { url, status } = response
  return new AgentError(
    'provider-answer',
    `${url.host} answered ${status} with ${formOf(response)}`,
  )
}

/** What came in place of JSON, without showing it. */
function formOf({ headers, body }: HttpResponse): string {
  if (body.trim() === '') return 'an empty body'
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  if (type === '') return 'something of no content type instead of JSON'
  return /\bjson$/i.test(type)
    ? 'JSON that cannot be used'
    : `${providerText(type, [])} instead of JSON`
}

function jsonOf({ body }: HttpResponse): JsonObject | undefined {
  try {
    const content: unknown = JSON.parse(body)
    return isJsonObject(content) ? content : undefined
  } catch {
    return undefined
  }
}

function deepest(error: unknown): string {
  let text = String(error)
  for (let one = error; one instanceof Error; one = one.cause) text = one.message
  return text
}

/** The refusal in an answer, if that is one; `content` is its body, where that is a JSON object. */
function errorResponseIn(
  response: HttpResponse,
  content: JsonObject | undefined,
): OAuthErrorResponse | undefined {
  return errorResponseInBody(response, content ?? {}) ?? errorResponseInChallenge(response)
}

/** The same for an answer with a status of success: some providers refuse with 200. */
function errorResponseInBody(
  { status }: HttpResponse,
  content: JsonObject,
): OAuthErrorResponse | undefined {
  const { error, error_description: description } = content
  if (typeof error !== 'string' || error === '') return undefined
  return { status, error, description: typeof description === 'string' ? description : '' }
}

/** `WWW-Authenticate: Bearer error="invalid_token", error_description="…"`, as Spring answers. */
function errorResponseInChallenge({
  status,
  headers,
}: HttpResponse): OAuthErrorResponse | undefined {
  const header = headers['www-authenticate'] ?? ''
  const error = parameterIn(header, 'error')
  if (error === undefined) return undefined
  return { status, error, description: parameterIn(header, 'error_description') ?? '' }
}

function parameterIn(header: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|[\\s,])${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,]+))`, 'i').exec(
    header,
  )
  return found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2]
}
