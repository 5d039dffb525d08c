import { type Account, wordSet, words } from '../../protocol/storage/account.ts'
import type { SpaceSeparated } from '../../protocol/wire/messages.ts'

/**
 * What a token is asked to be good for: unique scopes (none = the account's default) and audiences,
 * in the order in which they were asked for, which is how many providers write them into the token.
 */
export interface RequestedToken {
  readonly scopes: readonly string[]
  readonly audiences: readonly string[]
  /** The cache key: equal for equal wishes, whatever their order and spacing. */
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

/** The wish for a token as the account gives it. */
export const defaultRequest = requestedToken(undefined, undefined)

/** What is asked of the provider where no earlier grant says what a wish leaves open: the account does. */
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
