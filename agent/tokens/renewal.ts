import { LONGEST_TIMER_MS, type Runtime } from '../world.ts'
import type { CachedToken } from './token-cache.ts'
import { SHORTEST_USEFUL_SECONDS } from './token-cache.ts'

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
