import type { UnixSeconds } from '../../protocol/messages.ts'
import { renewalLeadSeconds } from '../tokens/renewal.ts'

/** How long a token is taken to live whose provider does not say. */
const ASSUMED_LIFETIME_SECONDS = 600
/** Failing renewals: the first pause, doubled each time, up to the longest. */
const FIRST_PAUSE_SECONDS = 5
const LONGEST_PAUSE_SECONDS = 300
/** Between two tries there is at least so much, however short the token's life. */
const SHORTEST_PAUSE_SECONDS = 1

/** When the token in a file is to be replaced, and when it must be gone. */
export interface RenewalPlan {
  readonly renewAt: UnixSeconds
  readonly expiresAt: UnixSeconds
}

/**
 * The plan for a token that was written now. Readers take what is in the file without asking how
 * long it lives, so `minValidSeconds` is kept as far as half the token's life allows.
 */
export function planRenewal(
  token: { readonly expiresAt: UnixSeconds },
  now: UnixSeconds,
  minValidSeconds: number,
  random: number,
): RenewalPlan {
  const expiresAt = token.expiresAt === 0 ? now + ASSUMED_LIFETIME_SECONDS : token.expiresAt
  const written = { expiresAt, obtainedAt: now, askedSeconds: minValidSeconds }
  const renewAt = expiresAt - renewalLeadSeconds(written, random)
  // A provider that gives the same token again until it expires is not asked all the time.
  return { renewAt: Math.max(renewAt, now + SHORTEST_PAUSE_SECONDS), expiresAt }
}

/**
 * Seconds until the next try, `left` seconds before the token expires: twice the pause before it (0 at
 * the first failure), but so that several tries fit into what is left of a short token's life.
 */
export function retryPauseSeconds(before: number, left: number): number {
  const growing = before === 0 ? FIRST_PAUSE_SECONDS : Math.min(before * 2, LONGEST_PAUSE_SECONDS)
  return Math.max(left > 0 ? Math.min(growing, left / 4) : growing, SHORTEST_PAUSE_SECONDS)
}
