import type { Ceiling } from '../../protocol/wire/ceiling.ts'
import { peerError } from '../../protocol/wire/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../protocol/wire/json.ts'
import { missingScopes, type RequestedToken, requestedToken } from './granted-scope.ts'

/** The error of everything that a restricted socket does not give out. */
function beyond(hint: string): Error {
  return peerError('operation-forbidden', { hint })
}

/** A request within a ceiling, with the scopes and audiences that the provider is asked for. */
export interface CeiledRequest {
  readonly ceiling: Ceiling
  readonly requested: RequestedToken
}

/**
 * The first of `ceilings`, all of one account, that `asked` fits in; two ceilings are never combined. Scopes or
 * audiences that `asked` leaves out are those of the ceiling.
 * @throws AgentError `operation-forbidden` if the request fits in none of them
 */
export function withinOneCeiling(
  ceilings: readonly Ceiling[],
  asked: RequestedToken,
): CeiledRequest {
  const ceiling = ceilings.find(
    (one) =>
      scopesBeyond(asked.scopes, one).length === 0 &&
      asked.audiences.every((audience) => one.audiences.includes(audience)),
  )
  if (ceiling === undefined) {
    throw beyond('The restricted socket does not allow this combination of scopes and audiences.')
  }
  const ofCeiling = ceiling.scopes === 'all' ? [] : ceiling.scopes
  const scopes = asked.scopes.length === 0 ? ofCeiling : asked.scopes
  const audiences = asked.audiences.length === 0 ? ceiling.audiences : asked.audiences
  return { ceiling, requested: requestedToken(scopes.join(' '), audiences.join(' ')) }
}

/**
 * Checks a token against its ceiling before it is given out: a provider may grant more than was requested
 * (RFC 6749 §3.3). Only the token itself is believed, since the service believes it too: the claims `scope`
 * (RFC 9068 §2.2.3), `scp` (Entra, SciTokens) and `aud`.
 * @throws AgentError `operation-forbidden` if it is wider, or if its claims cannot be read
 */
export function assertWithinCeiling(accessToken: string, ceiling: Ceiling): void {
  const claims = claimsOf(accessToken)
  if (claims === undefined) {
    throw beyond(
      'The token is no JWT, so the agent cannot check that it is within the limits of the restricted socket.',
    )
  }
  assertScopes(claims, ceiling)
  const audiences = wordsOf(claims['aud'], /$^/)
  const others = audiences.filter((audience) => !ceiling.audiences.includes(audience))
  if (others.length > 0) {
    throw beyond(
      `The provider issued a token for the audience ${others.join(' ')}, which the restricted socket does not allow.`,
    )
  }
  if (audiences.length === 0 && ceiling.audiences.length > 0) {
    throw beyond(
      'The provider issued a token without an audience, which is wider than the restricted socket allows.',
    )
  }
}

function assertScopes(claims: JsonObject, ceiling: Ceiling): void {
  if (ceiling.scopes === 'all') return
  const { scope, scp } = claims
  if (scope === undefined && scp === undefined) {
    throw beyond(
      'The token does not contain its scopes, so the agent cannot check that it is within the limits of the restricted socket.',
    )
  }
  const others = scopesBeyond([...wordsOf(scope, / +/), ...wordsOf(scp, / +/)], ceiling)
  if (others.length === 0) return
  throw beyond(
    `The provider granted the scope ${others.join(' ')}, which the restricted socket does not allow.`,
  )
}

/** The scopes of `scopes` that `ceiling` does not allow; storage paths below those of the ceiling are allowed. */
function scopesBeyond(scopes: readonly string[], ceiling: Ceiling): readonly string[] {
  if (ceiling.scopes === 'all') return []
  const allowed = ceiling.scopes
  const others = scopes.filter((scope) => !allowed.includes(scope))
  // Services may decode a path, so one with % could lead out of the path above it. offline_access is named
  // here, since missingScopes leaves it out.
  const suspect = others.filter((scope) => scope.includes('%') || scope === 'offline_access')
  return [...new Set([...suspect, ...missingScopes(others, allowed.join(' '))])]
}

/** The payload of a JWT in its compact form (RFC 7519 §3), not verified: its issuer has just sent it. */
function claimsOf(token: string): JsonObject | undefined {
  const [, payload, signature, ...rest] = token.split('.')
  if (payload === undefined || signature === undefined || rest.length > 0) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return isJsonObject(claims) ? claims : undefined
  } catch {
    return undefined
  }
}

/** A claim that is a text or a list of texts. */
function wordsOf(claim: JsonValue | undefined, separator: RegExp): readonly string[] {
  const list = Array.isArray(claim) ? claim : [claim]
  return list
    .map((item) =>
      typeof item === 'string' ? item : item === undefined ? '' : JSON.stringify(item),
    )
    .flatMap((text) => text.split(separator))
    .filter((word) => word !== '')
}
