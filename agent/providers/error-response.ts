import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { clockSkewOf, type HttpResponse, retryAfterSeconds } from '../http/http-client.ts'
import { classify } from './error-table.ts'
import type { OAuthErrorResponse, RequestPurpose } from './profiles.ts'

/** How long openid-client's client assertions are valid. */
const ASSERTION_SECONDS = 60

/** The request to which a response belongs. */
export interface RequestContext {
  readonly purpose: RequestPurpose
  /** Values that were sent and must not appear in a message. */
  readonly secrets: readonly Secret[]
  /** When the client signed its assertion, in milliseconds since 1970; undefined without an assertion. */
  readonly signedAt?: number | undefined
}

/**
 * The JSON object in the body of a successful response.
 * @throws AgentError for any other status, for a body that is not a JSON object, and for an error
 *   response, which some providers send with status 200.
 */
export function successBody(response: HttpResponse, request: RequestContext): JsonObject {
  checkStatus(response, request)
  const content = jsonOf(response)
  if (content === undefined) throw notJsonError(response)
  const errorResponse = errorResponseInBody(response, content)
  if (errorResponse !== undefined && !('access_token' in content))
    throw providerError(errorResponse, response, request)
  return content
}

/**
 * Checks the status only: revocation and deletion may have any body, or none.
 * @throws AgentError unless the status is 2xx.
 */
export function checkStatus(response: HttpResponse, request: RequestContext): void {
  const { status } = response
  if (status >= 200 && status < 300) return
  if (status >= 300 && status < 400) throw redirectError(response, request)
  const errorResponse =
    errorResponseInBody(response, jsonOf(response) ?? {}) ?? errorResponseInChallenge(response)
  throw errorResponse === undefined
    ? statusError(response, request)
    : providerError(errorResponse, response, request)
}

/** The AgentError for a response that openid-client does not accept. */
export function libraryError(error: unknown, host: string): AgentError {
  return new AgentError(
    'provider-answer',
    `${host} sent a response that cannot be used: ${providerText(deepestMessage(error), [])}`,
    { cause: error },
  )
}

/** The AgentError for an OAuth error response. */
function providerError(
  errorResponse: OAuthErrorResponse,
  response: HttpResponse,
  request: RequestContext,
): AgentError {
  const { purpose, secrets } = request
  const { code, hint } = classify(errorResponse, purpose, `${response.url.origin}/`)
  if (code === 'authorization-pending' || code === 'slow-down') return peerError(code)
  const name = providerText(errorResponse.error, secrets)
  const description = providerText(errorResponse.description, secrets)
  const message = description === '' ? name : `${name}: ${description}`
  const skew = code === 'invalid-client' ? assertionSkew(response, request) : undefined
  return skew === undefined
    ? new AgentError(code, `${message}${retryAfterText(response)}`, { hint })
    : new AgentError('wrong-clock', message, {
        hint: `Check the clock of this machine: it differs from that of ${response.url.host} by ${Math.abs(skew)} s, and what is signed here is valid for a minute.`,
      })
}

/** Seconds between the clocks, if they differ so much that the provider refuses an assertion. */
function assertionSkew(response: HttpResponse, { signedAt }: RequestContext): number | undefined {
  const skew = signedAt === undefined ? undefined : clockSkewOf(response, signedAt)
  return skew !== undefined && Math.abs(skew) >= ASSERTION_SECONDS ? skew : undefined
}

function retryAfterText(response: HttpResponse): string {
  const seconds = retryAfterSeconds(response)
  return seconds === undefined ? '' : ` (retry after ${seconds} s)`
}

function redirectError(
  { url, status, headers }: HttpResponse,
  request: RequestContext,
): AgentError {
  const target = headers['location'] ?? ''
  const shown = URL.canParse(target, url.href) ? new URL(target, url.href).origin : 'nowhere'
  return new AgentError(
    'provider-answer',
    `${url.host} answered ${status} with a redirect to ${shown}, which is not followed for a ${request.purpose} request`,
  )
}

/** The AgentError for a failure status without an OAuth error response. */
function statusError(response: HttpResponse, { purpose }: RequestContext): AgentError {
  const { url, status } = response
  const { code, hint } = classify({ status, error: '', description: '' }, purpose, `${url.origin}/`)
  const message = `${url.host} answered ${status} with ${describeBody(response)}${retryAfterText(response)}`
  return code === 'provider-error'
    ? new AgentError('provider-status', message)
    : new AgentError(code, message, { hint })
}

function notJsonError(response: HttpResponse): AgentError {
  const { url, status } = response
  return new AgentError(
    'provider-answer',
    `${url.host} answered ${status} with ${describeBody(response)}`,
  )
}

/** What the body is instead of JSON, without its content. */
function describeBody({ headers, body }: HttpResponse): string {
  if (body.trim() === '') return 'an empty body'
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  if (type === '') return 'a body without a content type instead of JSON'
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

/** The message of the innermost cause. */
function deepestMessage(error: unknown): string {
  let text = String(error)
  for (let one = error; one instanceof Error; one = one.cause) text = one.message
  return text
}

function errorResponseInBody(
  { status }: HttpResponse,
  content: JsonObject,
): OAuthErrorResponse | undefined {
  const { error, error_description: description } = content
  if (typeof error !== 'string' || error === '') return undefined
  return { status, error, description: typeof description === 'string' ? description : '' }
}

/** `WWW-Authenticate: Bearer error="invalid_token", error_description="…"` (RFC 6750 §3). */
function errorResponseInChallenge({
  status,
  headers,
}: HttpResponse): OAuthErrorResponse | undefined {
  const header = headers['www-authenticate'] ?? ''
  const error = challengeParameter(header, 'error')
  if (error === undefined) return undefined
  return { status, error, description: challengeParameter(header, 'error_description') ?? '' }
}

function challengeParameter(header: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|[\\s,])${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,]+))`, 'i').exec(
    header,
  )
  return found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2]
}
