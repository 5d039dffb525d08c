import type { UnixSeconds } from '../../../protocol/messages.ts'
import type { Check } from './check.ts'
import type { TokenSource } from './discovered-token.ts'
import type { TokenClaims } from './token-facts.ts'

/** All that is found out about a token. */
export interface Report {
  readonly source: TokenSource
  readonly token: TokenClaims
  readonly now: UnixSeconds
  /** Empty where nothing was to be judged. */
  readonly checks: readonly Check[]
  /** What it was judged for, as the person wrote it. */
  readonly target: { readonly url: string; readonly operation: string } | undefined
}

/** Whether nothing speaks against the token. */
export function isGood({ checks }: Pick<Report, 'checks'>): boolean {
  return checks.every((check) => check.ok)
}
