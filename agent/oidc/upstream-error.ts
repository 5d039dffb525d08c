import { AgentError, type ErrorCode, knownError } from '../../protocol/errors.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import type { Secret } from '../../protocol/secret.ts'
import type { HttpAnswer } from './http-fetch.ts'
import { providerText } from './provider-text.ts'

/** What a provider was asked for; some of its words mean different things in different places. */
type Purpose =
  | 'discovery'
  | 'refresh'
  | 'device authorization'
  | 'device poll'
  | 'code exchange'
  | 'password'
  | 'client credentials'
  | 'token exchange'
  | 'registration'
  | 'client deletion'
  | 'revocation'

/** The exchange an answer belongs to. */
export interface Exchange {
  readonly purpose: Purpose
  /** Values that were sent and must not come back in a message. */
  readonly secrets: readonly Secret[]
}

/** An OAuth error response (RFC 6749 §5.2), or the challenge that takes its place (RFC 6750 §3). */
interface Refusal {
  readonly error: string
  readonly description: string | undefined
}

/**
 * The one place where a provider's answer turns into an error: gives its JSON object where it is a
 * success.
 * @throws AgentError for every other status, form and content.
 */
export function successOf(answer: HttpAnswer, exchange: Exchange): JsonObject {
  checkStatus(answer, exchange)
  const content = jsonOf(answer)
  if (content === undefined) throw notJson(answer)
  const refusal = refusalIn(content)
  // Some providers refuse with status 200.
  if (refusal !== undefined && !('access_token' in content)) throw refused(refusal, exchange)
  return content
}

/**
 * Checks the status only: revocation and deletion may be answered with any body, or none.
 * @throws AgentError
 */
export function checkStatus(answer: HttpAnswer, exchange: Exchange): void {
  const { status } = answer
  if (status >= 200 && status < 300) return
  if (status >= 300 && status < 400) throw redirected(answer, exchange)
  const refusal = refusalIn(jsonOf(answer) ?? {}) ?? challengeIn(answer)
  throw refusal === undefined ? badStatus(answer, exchange) : refused(refusal, exchange)
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

function refused({ error, description }: Refusal, exchange: Exchange): AgentError {
  const { purpose, secrets } = exchange
  if (purpose === 'device poll' && error === 'authorization_pending') {
    return knownError('authorization-pending')
  }
  if (purpose === 'device poll' && error === 'slow_down') return knownError('slow-down')
  const name = providerText(error, secrets)
  const message =
    description === undefined ? name : `${name}: ${providerText(description, secrets)}`
  return new AgentError(codeOf({ error, description }, purpose), message, {
    hint: hintOf({ error, description }, purpose),
  })
}

const codes: Readonly<Record<string, ErrorCode>> = {
  invalid_scope: 'invalid-scope',
  invalid_client: 'invalid-client',
  invalid_request: 'invalid-request',
}

function codeOf(refusal: Refusal, purpose: Purpose): ErrorCode {
  if (isAboutPerson(refusal)) return 'provider-error'
  if (purpose === 'refresh' && /^invalid_(?:grant|token)$/.test(refusal.error)) {
    return 'refresh-token-dead'
  }
  return codes[refusal.error] ?? 'provider-error'
}

/**
 * IAM refuses with `invalid_grant` while the person has not signed its terms of use, or is
 * suspended: the refresh token lives, and works again afterwards (wlcg.md §6, "Refresh").
 */
function isAboutPerson({ description = '' }: Refusal): boolean {
  return needsTerms(description) || /user\b.*\bis not active/i.test(description)
}

function needsTerms(description: string): boolean {
  return /\bAUP\b|acceptable use policy|terms of (?:use|service)/i.test(description)
}

function hintOf({ error, description = '' }: Refusal, purpose: Purpose): string | undefined {
  if (needsTerms(description)) {
    return "Sign in at the provider's web page and accept its terms of use; then try again."
  }
  if (isAboutPerson({ error, description })) {
    return 'The provider has suspended this user: ask its administrators.'
  }
  if (error === 'invalid_request') {
    return 'This is most likely a bug. Please hand in a bug report with this message.'
  }
  if (purpose === 'device poll') return pollHints[error]
  return purpose === 'registration' ? registrationHint : undefined
}

const startAgain = 'Start the login again and enter the code in time.'

const pollHints: Readonly<Record<string, string>> = {
  access_denied: 'The login was refused in the browser. To try again, start it again.',
  expired_token: startAgain,
  invalid_grant: startAgain,
}

const registrationHint =
  'If this provider registers clients by hand only, register one at its web page and give it with:\n\t$ oidc-gen -m <name>\n'

function refusalIn(content: JsonObject): Refusal | undefined {
  const { error, error_description: description } = content
  if (typeof error !== 'string' || error === '') return undefined
  return { error, description: typeof description === 'string' ? description : undefined }
}

/** `WWW-Authenticate: Bearer error="invalid_token", error_description="…"`, as Spring answers. */
function challengeIn({ headers }: HttpAnswer): Refusal | undefined {
  const header = headers['www-authenticate'] ?? ''
  const error = parameterIn(header, 'error')
  return error === undefined
    ? undefined
    : { error, description: parameterIn(header, 'error_description') }
}

function parameterIn(header: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|[\\s,])${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,]+))`, 'i').exec(
    header,
  )
  return found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2]
}

function redirected({ url, status, headers }: HttpAnswer, { purpose }: Exchange): AgentError {
  const target = headers['location'] ?? ''
  const shown = URL.canParse(target, url.href) ? new URL(target, url.href).origin : 'nowhere'
  return new AgentError(
    'provider-answer',
    `${url.host} answered ${status} with a redirect to ${shown}, which is not followed for a ${purpose} request`,
  )
}

function badStatus(answer: HttpAnswer, { purpose }: Exchange): AgentError {
  const { url, status } = answer
  // IAM's answer to a device authorization of a client it does not know (wlcg.md §6).
  const hint =
    purpose === 'device authorization' && status === 404
      ? 'Probably the provider does not know this client.'
      : undefined
  return new AgentError(
    'provider-status',
    `${url.host} answered ${status} with ${formOf(answer)}`,
    {
      hint,
    },
  )
}

function notJson(answer: HttpAnswer): AgentError {
  const { url, status } = answer
  return new AgentError('provider-answer', `${url.host} answered ${status} with ${formOf(answer)}`)
}

/** What came in place of JSON, without showing it. */
function formOf({ headers, body }: HttpAnswer): string {
  if (body.trim() === '') return 'an empty body'
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  if (type === '') return 'something of no content type instead of JSON'
  return /\bjson$/i.test(type)
    ? 'JSON that cannot be used'
    : `${providerText(type, [])} instead of JSON`
}

function jsonOf({ body }: HttpAnswer): JsonObject | undefined {
  try {
    const content: unknown = JSON.parse(body)
    return isObject(content) ? content : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function deepest(error: unknown): string {
  let text = String(error)
  for (let one = error; one instanceof Error; one = one.cause) text = one.message
  return text
}
