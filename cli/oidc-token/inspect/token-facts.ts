import { isJsonObject } from '../../../protocol/json.ts'
import type { JsonObject, JsonValue, UnixSeconds } from '../../../protocol/messages.ts'

/** The set of rules a token says it follows, by its `ver` or `wlcg.ver`. */
export type Profile =
  /** WLCG Common JWT Profile 1.0. */
  | { readonly kind: 'wlcg' }
  /** SciTokens 2.0. */
  | { readonly kind: 'scitokens' }
  /** It says nothing: services read it by the rules of SciTokens 1.0. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly fault: string }

/** What stands in a token, read but not judged. */
export interface TokenClaims {
  readonly text: string
  readonly header: JsonObject
  readonly claims: JsonObject
  readonly profile: Profile
  readonly subject: string | undefined
  readonly issuer: string | undefined
  /** Empty: there is none. */
  readonly audience: readonly string[]
  /** Undefined: there is no claim, or one that is no text. */
  readonly scopes: readonly string[] | undefined
  readonly groups: readonly string[]
  readonly issuedAt: UnixSeconds | undefined
  readonly notBefore: UnixSeconds | undefined
  readonly expiresAt: UnixSeconds | undefined
  readonly algorithm: string | undefined
  readonly keyId: string | undefined
  readonly type: string | undefined
}

/** Reads a signed JWT (RFC 7519, in the compact form of RFC 7515); undefined where the text is none. */
export function readToken(text: string): TokenClaims | undefined {
  const parts = text.split('.')
  const [head = '', body = ''] = parts
  const header = partOf(head)
  const claims = partOf(body)
  if (parts.length !== 3 || header === undefined || claims === undefined) return undefined
  const scope = textOf(claims['scope'])
  return {
    text,
    header,
    claims,
    profile: profileOf(claims),
    subject: textOf(claims['sub']),
    issuer: textOf(claims['iss']),
    audience: textsOf(claims['aud']),
    scopes: scope?.split(' ').filter((word) => word !== ''),
    groups: textsOf(claims['wlcg.groups']),
    issuedAt: numberOf(claims['iat']),
    notBefore: numberOf(claims['nbf']),
    expiresAt: numberOf(claims['exp']),
    algorithm: textOf(header['alg']),
    keyId: textOf(header['kid']),
    type: textOf(header['typ']),
  }
}

function partOf(text: string): JsonObject | undefined {
  if (!/^[\w-]+$/.test(text)) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** As the SciTokens library tells profiles apart: `ver` counts first (wlcg.md §3). */
function profileOf(claims: JsonObject): Profile {
  const { ver } = claims
  if (ver !== undefined) {
    if (ver === 'scitoken:2.0' || ver === 'scitokens:2.0') return { kind: 'scitokens' }
    return { kind: 'unknown', fault: `ver is ${JSON.stringify(ver)}, services take "scitoken:2.0"` }
  }
  const wlcg = claims['wlcg.ver']
  if (wlcg === undefined) return { kind: 'none' }
  if (wlcg === '1.0') return { kind: 'wlcg' }
  return {
    kind: 'unknown',
    fault: `wlcg.ver is ${JSON.stringify(wlcg)}, services take only the text "1.0"`,
  }
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function numberOf(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
