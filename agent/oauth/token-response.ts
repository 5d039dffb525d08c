import { decodeJwt } from 'jose'
import type { JsonObject, JsonValue, UnixSeconds } from '../../protocol/wire/messages.ts'
import { secretOf } from '../../protocol/wire/secret.ts'
import type { HttpResponse } from '../http/http-client.ts'
import { clockSkewOf } from '../http/response-headers.ts'
import type { TokenResponse } from './provider.ts'

/**
 * What of a token answer openid-client is given to check (RFC 6749 §5.1). Only the access token is
 * worth failing for: whatever else is odd is dropped, as the answer may hold the only copy of a
 * rotated refresh token. For the same reason the ID token is left out: openid-client refuses it when
 * this machine's clock is off, and here it identifies nobody, it is handed on.
 */
export function readTokenContent(content: JsonObject): JsonObject {
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
 * RFC 6749 A.12, A.17: printable ASCII. Anything else would go into headers, files and scripts, and
 * as a refresh token it would take the place of the good one.
 */
function isToken(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value)
}

/** What openid-client made of {@link readTokenContent}. */
export interface CheckedTokens {
  readonly access_token: string
  readonly expires_in?: number | undefined
  readonly refresh_token?: string | undefined
  readonly scope?: string | undefined
}

/** When a token was asked for and when it came, milliseconds since 1970. */
export interface Asked {
  readonly sentAt: number
  readonly receivedAt: number
}

/** The token response as the agent wants it; what neither the answer nor a JWT tells stays undefined. */
export function tokenResponseOf(
  tokens: CheckedTokens,
  content: JsonObject,
  response: HttpResponse,
  asked: Asked,
): TokenResponse {
  const payload = payloadOf(tokens.access_token)
  const claims = payload ?? {}
  const idToken = content['id_token']
  return {
    accessToken: tokens.access_token,
    expiresAt: expiryOf(tokens.expires_in, secondsOf(claims['exp']), asked),
    scope: tokens.scope ?? scopeOf(claims['scope']),
    audience: payload === undefined ? undefined : audienceOf(claims['aud']),
    refreshToken: secretOf(tokens.refresh_token),
    refreshTokenExpiresAt: refreshTokenExpiry(
      tokens.refresh_token,
      content,
      wholeSeconds(asked.sentAt),
    ),
    idToken: typeof idToken === 'string' && idToken !== '' ? idToken : undefined,
    clockSkewSeconds: clockSkewOf(response, asked.receivedAt),
  }
}

/**
 * When the access token expires, by this machine's clock: `expires_in` counts from some moment
 * between request and answer. The JWT's own time is that moment's where it lies between them; else
 * the clocks differ, and the token is taken to have been made as early as it can have been.
 */
function expiryOf(
  expiresIn: number | undefined,
  claimed: UnixSeconds | undefined,
  { sentAt, receivedAt }: Asked,
): UnixSeconds | undefined {
  if (expiresIn === undefined) return claimed
  const earliest = wholeSeconds(sentAt) + expiresIn
  const latest = wholeSeconds(receivedAt) + expiresIn
  return claimed !== undefined && claimed > earliest && claimed <= latest ? claimed : earliest
}

/**
 * When the refresh token dies. Keycloak and others say it in `refresh_expires_in`, with 0 for never;
 * elsewhere the token itself may be a JWT, as IAM's unsigned one.
 */
function refreshTokenExpiry(
  refreshToken: string | undefined,
  content: JsonObject,
  now: UnixSeconds,
): UnixSeconds | undefined {
  const said = secondsOf(content['refresh_expires_in'] ?? content['refresh_token_expires_in'])
  if (said !== undefined) return said === 0 ? undefined : now + said
  const claimed = refreshToken === undefined ? 0 : secondsOf(payloadOf(refreshToken)?.['exp'])
  return claimed === 0 ? undefined : claimed
}

/** The payload of a JWT, unverified: it came from its issuer over TLS. Undefined for opaque tokens. */
function payloadOf(token: string): JsonObject | undefined {
  try {
    return decodeJwt<JsonObject>(token)
  } catch {
    return undefined
  }
}

/** Whole seconds; some providers write the number as text. */
function secondsOf(value: JsonValue | undefined): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number >= 0
    ? Math.floor(number)
    : undefined
}

/** A space separated text in WLCG tokens, a list in SciTokens of some issuers. */
function scopeOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value
  return Array.isArray(value) ? textsOf(value).join(' ') : undefined
}

/** A JWT without `aud` is for nobody, which is why Keycloak's are refused that lack a mapper for it. */
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
