import { decodeJwt } from 'jose'
import type { JsonObject, JsonValue, UnixSeconds } from '../../protocol/wire/messages.ts'
import { type Secret, secretOf } from '../../protocol/wire/secret.ts'
import { clockSkewOf, type HttpResponse } from '../http/http-client.ts'
import type { TokenResponse } from './provider.ts'

/**
 * The members of a token response that openid-client checks (RFC 6749 §5.1). Only a bad access token is
 * an error: other malformed members are dropped, as the response may hold the only copy of a rotated
 * refresh token. The ID token is left out for the same reason: openid-client refuses it if this
 * machine's clock is wrong, and the agent does not authenticate anyone with it.
 */
export function checkableMembers(content: JsonObject): JsonObject {
  const { access_token, expires_in, refresh_token, scope } = content
  const seconds = secondsOf(expires_in)
  return {
    ...(isToken(access_token) ? { access_token } : {}),
    token_type: 'Bearer',
    ...(seconds === undefined ? {} : { expires_in: seconds }),
    ...(isToken(refresh_token) ? { refresh_token } : {}),
    ...(typeof scope === 'string' ? { scope } : {}),
  }
}

/**
 * RFC 6749 §A.12, §A.17: printable ASCII. Any other text would get into headers, files and scripts, and
 * a malformed refresh token would replace the valid one.
 */
function isToken(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value)
}

/** Longest refresh token, in characters, that is taken from a response that cannot be used otherwise. */
const MAX_REFRESH_TOKEN = 16 * 1024

/**
 * The new refresh token in a response of the token endpoint that cannot be used, if it can be read: the
 * provider may have invalidated the token that was `sent`. Undefined for a redirect, and for an OAuth error
 * response, after which the token that was sent stays valid.
 */
export function recoverableRefreshToken(
  { status, body }: Pick<HttpResponse, 'status' | 'body'>,
  sent: Secret,
): Secret | undefined {
  if (status >= 300 && status < 400) return undefined
  const isClientError = status >= 400 && status < 500
  if (isClientError && topLevelMembers(body).some(({ name }) => name === 'error')) return undefined
  return secretOf(newRefreshTokenIn(body, sent))
}

/** The last complete `refresh_token` of a JSON object, whole or cut, that is not the one `sent`. */
export function newRefreshTokenIn(body: string, sent: Secret): string | undefined {
  return topLevelMembers(body)
    .filter(({ name }) => name === 'refresh_token')
    .map(({ text }) => text)
    .filter((text) => text !== sent.reveal() && isToken(text))
    .filter((text) => text.length <= MAX_REFRESH_TOKEN)
    .at(-1)
}

interface Member {
  readonly name: string
  /** The value, if it is a complete string; else empty. */
  readonly text: string
}

/** JSON strings and punctuation. The last string may lack its end. */
const jsonTokens = /"[^"\\]*(?:\\[^][^"\\]*)*("|$)|[{}[\]:]/g

const depthChanges: Readonly<Record<string, number>> = { '{': 1, '[': 1, '}': -1, ']': -1 }

/** The members of a JSON object, duplicates too, as far as the object can be read. */
function topLevelMembers(json: string): readonly Member[] {
  const members: Member[] = []
  const before = ['', '']
  let depth = 0
  for (const [token, end] of json.matchAll(jsonTokens)) {
    if (end === '') break
    const [name = '', colon] = before
    if (depth === 1 && colon === ':' && name.startsWith('"')) {
      members.push({ name: stringOf(name), text: stringOf(token) })
    }
    depth += depthChanges[token] ?? 0
    before.shift()
    before.push(token)
  }
  return members
}

/** The value of a JSON string; empty if it is malformed or not a string. */
function stringOf(json: string): string {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

/** {@link checkableMembers} as openid-client returns them. */
export interface CheckedTokens {
  readonly access_token: string
  readonly expires_in?: number | undefined
  readonly refresh_token?: string | undefined
  readonly scope?: string | undefined
}

/** When a token was requested and when the response arrived, in milliseconds since 1970. */
export interface ExchangeTimes {
  readonly sentAt: number
  readonly receivedAt: number
}

/** The token response for the agent. What neither the response nor a JWT contains is undefined. */
export function tokenResponseOf(
  tokens: CheckedTokens,
  content: JsonObject,
  response: HttpResponse,
  times: ExchangeTimes,
): TokenResponse {
  const payload = payloadOf(tokens.access_token)
  const claims = payload ?? {}
  const idToken = content['id_token']
  return {
    accessToken: tokens.access_token,
    expiresAt: expiryOf(tokens.expires_in, claims, times),
    scope: tokens.scope ?? scopeOf(claims['scope']),
    audience: payload === undefined ? undefined : audienceOf(claims['aud']),
    refreshToken: secretOf(tokens.refresh_token),
    refreshTokenExpiresAt: refreshTokenExpiry(
      tokens.refresh_token,
      content,
      wholeSeconds(times.sentAt),
    ),
    idToken: typeof idToken === 'string' && idToken !== '' ? idToken : undefined,
    clockSkewSeconds: clockSkewOf(response, times.receivedAt),
  }
}

/**
 * When the access token expires, by this machine's clock. `expires_in` counts from some moment between
 * request and response: the JWT's `exp` is exact if it fits that interval. Otherwise the clocks differ,
 * and the earliest possible expiry is used. A JWT lives no longer than from its `iat` to its `exp`, which
 * holds whatever this machine's clock says.
 */
function expiryOf(
  expiresIn: number | undefined,
  claims: JsonObject,
  { sentAt, receivedAt }: ExchangeTimes,
): UnixSeconds | undefined {
  const claimed = secondsOf(claims['exp'])
  const life = Math.min(expiresIn ?? Infinity, claimedLife(claims))
  if (life === Infinity) return claimed
  const earliest = wholeSeconds(sentAt) + life
  const latest = wholeSeconds(receivedAt) + life
  if (expiresIn === undefined) return Math.min(claimed ?? Infinity, latest)
  return claimed !== undefined && claimed > earliest && claimed <= latest ? claimed : earliest
}

/** Seconds from `iat` to `exp` (RFC 7519 §4.1); infinite for a token without them. */
function claimedLife(claims: JsonObject): number {
  const from = secondsOf(claims['iat'])
  const to = secondsOf(claims['exp'])
  return from === undefined || to === undefined || to <= from ? Infinity : to - from
}

/**
 * When the refresh token expires: by `refresh_expires_in` or `refresh_token_expires_in`, which no RFC
 * defines and in which 0 means never; else by the token's own `exp`, if it is a JWT, signed or not.
 */
function refreshTokenExpiry(
  refreshToken: string | undefined,
  content: JsonObject,
  now: UnixSeconds,
): UnixSeconds | undefined {
  const lifetime = secondsOf(content['refresh_expires_in'] ?? content['refresh_token_expires_in'])
  if (lifetime !== undefined) return lifetime === 0 ? undefined : now + lifetime
  const claimed = refreshToken === undefined ? 0 : secondsOf(payloadOf(refreshToken)?.['exp'])
  return claimed === 0 ? undefined : claimed
}

/** The payload of a JWT, not verified, as its issuer sent it over TLS. Undefined for opaque tokens. */
function payloadOf(token: string): JsonObject | undefined {
  try {
    return decodeJwt<JsonObject>(token)
  } catch {
    return undefined
  }
}

/** Whole seconds; some providers write the number as a string. */
function secondsOf(value: JsonValue | undefined): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number >= 0
    ? Math.floor(number)
    : undefined
}

/** Space-separated in WLCG tokens, a list in the SciTokens of some issuers. */
function scopeOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value
  return Array.isArray(value) ? textsOf(value).join(' ') : undefined
}

/** Empty for a JWT without `aud`: services that check the audience refuse such a token. */
function audienceOf(value: JsonValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? textsOf(value) : []
}

function textsOf(list: readonly JsonValue[]): readonly string[] {
  return list.filter((item) => typeof item === 'string')
}

function wholeSeconds(milliseconds: number): UnixSeconds {
  return Math.floor(milliseconds / 1000)
}
