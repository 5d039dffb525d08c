import { wordSet } from '../../protocol/account.ts'
import type { SpaceSeparated } from '../../protocol/messages.ts'

/** What a token is asked to be good for: sorted unique scopes (none = the account's default) and audiences. */
export interface TokenWish {
  readonly scopes: readonly string[]
  readonly audiences: readonly string[]
  /** The cache key: equal for equal wishes, whatever their order and spacing. */
  readonly key: string
}

export function tokenWish(
  scope: SpaceSeparated | undefined,
  audience: SpaceSeparated | undefined,
): TokenWish {
  const scopes = wordSet(scope)
  const audiences = wordSet(audience)
  return { scopes, audiences, key: JSON.stringify([scopes, audiences]) }
}

/** The wish for a token as the account gives it. */
export const plainWish = tokenWish(undefined, undefined)
