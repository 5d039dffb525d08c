import type { SpaceSeparated, UnixSeconds } from '../../protocol/wire/messages.ts'
import { LONGEST_TIMER_MS, type Runtime } from '../runtime.ts'

/** Tokens an account keeps at most; the least recently stored go first. A sanity bound: a CE host each. */
export const MAX_CACHED_TOKENS = 1000
/** A token with less life than this may expire on its way to the service. */
export const SHORTEST_USEFUL_SECONDS = 10

export interface CachedToken {
  readonly accessToken: string
  readonly expiresAt: UnixSeconds
  readonly obtainedAt: UnixSeconds
  readonly scope: SpaceSeparated | undefined
  /** How the grant differs from what was asked; said again with each use. */
  readonly differences: string | undefined
  /** Whether someone was given it since it was stored: only those are renewed ahead. */
  used: boolean
  /** The longest remaining life anyone asked of it, seconds: renewal keeps ahead of that too. */
  askedSeconds: number
}

export type Freshness =
  | { readonly kind: 'fresh'; readonly token: CachedToken }
  /** The provider's tokens never live as long as was asked; this one is new enough. */
  | { readonly kind: 'best'; readonly token: CachedToken }
  | { readonly kind: 'stale' }

/** The access tokens of one account, by what they are good for. */
export class TokenCache {
  readonly #tokens = new Map<string, CachedToken>()

  /**
   * Looks for a token with more than `max(minValidSeconds, 10)` seconds left at `now`. Where the
   * provider's lifetime is shorter than that, the newest token is the best there is: it serves for
   * the first half of its life, so that such a caller does not ask the provider each time.
   */
  find(key: string, minValidSeconds: number, now: UnixSeconds): Freshness {
    const token = this.#tokens.get(key)
    if (token === undefined) return { kind: 'stale' }
    const needed = Math.max(minValidSeconds, SHORTEST_USEFUL_SECONDS)
    const left = token.expiresAt - now
    const lifetime = token.expiresAt - token.obtainedAt
    if (left > needed) return use(token, 'fresh', minValidSeconds)
    if (lifetime <= needed && left > lifetime / 2) return use(token, 'best', minValidSeconds)
    return { kind: 'stale' }
  }

  store(key: string, token: CachedToken): void {
    // Deleted first, so that a token stored again counts as the newest.
    this.#tokens.delete(key)
    this.#tokens.set(key, token)
    if (this.#tokens.size <= MAX_CACHED_TOKENS) return
    const oldest = this.#tokens.keys().next()
    if (!oldest.done) this.#tokens.delete(oldest.value)
  }

  /** The token stored under `key`, whatever its age. */
  peek(key: string): CachedToken | undefined {
    return this.#tokens.get(key)
  }

  delete(key: string): void {
    this.#tokens.delete(key)
  }

  clear(): void {
    this.#tokens.clear()
  }

  get size(): number {
    return this.#tokens.size
  }
}

function use(token: CachedToken, kind: 'fresh' | 'best', minValidSeconds: number): Freshness {
  token.used = true
  token.askedSeconds = Math.max(token.askedSeconds, minValidSeconds)
  return { kind, token }
}

/**
 * When to renew a token ahead of its expiry, in seconds before it: a fifth to a tenth of its life
 * (random, so that tokens obtained together are not renewed together), before the remaining life
 * its callers ask for runs out, but never in the first half of its life.
 */
export function renewalLeadSeconds(
  token: Pick<CachedToken, 'expiresAt' | 'obtainedAt' | 'askedSeconds'>,
  random: number,
): number {
  const lifetime = token.expiresAt - token.obtainedAt
  const share = lifetime * (0.1 + 0.1 * random)
  const forCallers = Math.max(token.askedSeconds, SHORTEST_USEFUL_SECONDS) + 0.05 * lifetime
  return Math.min(Math.max(share, forCallers), lifetime / 2)
}

/** Timers that renew tokens that are in use, so that a regular caller never waits for the provider. */
export class Renewals {
  readonly #runtime: Runtime
  readonly #timers = new Map<string, NodeJS.Timeout>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Runs `renew` ahead of the expiry of `token` if it was used by then. Replaces what was set for `key`. */
  schedule(key: string, token: CachedToken, renew: () => void): void {
    this.cancel(key)
    const dueAt = (token.expiresAt - renewalLeadSeconds(token, this.#runtime.random())) * 1000
    const delay = Math.min(Math.max(dueAt - this.#runtime.now(), 0), LONGEST_TIMER_MS)
    const timer = setTimeout(() => {
      this.#timers.delete(key)
      if (this.#runtime.now() < dueAt) this.schedule(key, token, renew)
      else if (token.used) renew()
    }, delay)
    timer.unref()
    this.#timers.set(key, timer)
  }

  cancel(key: string): void {
    clearTimeout(this.#timers.get(key))
    this.#timers.delete(key)
  }

  cancelAll(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }
}
