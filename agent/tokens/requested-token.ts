import { type Account, wordSet, words } from '../../protocol/storage/account.ts'
import type { SpaceSeparated } from '../../protocol/wire/messages.ts'

/**
 * The scopes (none = the account's default) and audiences that a request wants a token for, each once, in
 * the order of the request, in which many providers write them into the token.
 */
export interface RequestedToken {
  readonly scopes: readonly string[]
  readonly audiences: readonly string[]
  /** The cache key: equal for equal sets, whatever their order and spacing. */
  readonly key: string
}

export function requestedToken(
  scope: SpaceSeparated | undefined,
  audience: SpaceSeparated | undefined,
): RequestedToken {
  return {
    scopes: [...new Set(words(scope))],
    audiences: [...new Set(words(audience))],
    key: JSON.stringify([wordSet(scope), wordSet(audience)]),
  }
}

/** A request that names neither scopes nor audiences. */
export const defaultRequest = requestedToken(undefined, undefined)

/** `requested` with the account's own scopes and audience where it names none: for grants without an earlier login. */
export function withAccountDefaults(
  { authScope, audience }: Account,
  requested: RequestedToken,
): RequestedToken {
  const asked = requestedToken(authScope, audience)
  return {
    scopes: requested.scopes.length === 0 ? asked.scopes : requested.scopes,
    audiences: requested.audiences.length === 0 ? asked.audiences : requested.audiences,
    key: requested.key,
  }
}
