import type { JsonObject } from '../../protocol/messages.ts'
import type { HttpResponse } from './http-fetch.ts'

/** An OAuth error response (RFC 6749 §5.2), or the challenge that takes its place (RFC 6750 §3). */
export interface OAuthErrorResponse {
  readonly status: number
  readonly error: string
  /** Empty where none came. */
  readonly description: string
}

/** The refusal in an answer, if that is one; `content` is its body, where that is a JSON object. */
export function errorResponseIn(
  response: HttpResponse,
  content: JsonObject | undefined,
): OAuthErrorResponse | undefined {
  return errorResponseInBody(response, content ?? {}) ?? errorResponseInChallenge(response)
}

/** The same for an answer with a status of success: some providers refuse with 200. */
export function errorResponseInBody(
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
