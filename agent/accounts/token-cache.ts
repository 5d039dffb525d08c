import type { SpaceSeparated, UnixSeconds } from '../../protocol/wire/messages.ts'
import { type CancelTimer, type Moment, type Runtime, startTimer } from '../concurrency.ts'

/** A token as it is handed out. */
export interface IssuedToken {
  readonly accessToken: string
  readonly issuer: string
  /** 0 = unknown. */
  readonly expiresAt: UnixSeconds
  readonly scope: SpaceSeparated | undefined
  readonly idToken: string | undefined
  /** How the token differs from what was requested, a line each. */
  readonly differences: string | undefined
  /** What else the user should know, a line each. */
  readonly notes: string | undefined
}

/** Most tokens that one account keeps; the least recently stored go first. A sanity bound: one for each compute element. */
export const MAX_CACHED_TOKENS = 1000
/** A token with less life than this may expire on its way to the service. */
export const SHORTEST_USEFUL_SECONDS = 10

export interface CachedToken {
  readonly accessToken: string
  readonly expiresAt: UnixSeconds
  readonly obtainedAt: UnixSeconds
  /** The same moment by both clocks. Undefined: the clock of the day is trusted. */
  readonly since?: Moment | undefined
  readonly scope: SpaceSeparated | undefined
  /** How the grant differs from the request; reported with each use. */
  readonly differences: string | undefined
  /** Whether the token was handed out since it was stored: only such tokens are renewed ahead. */
  used: boolean
  /** The longest remaining life that a request asked for, seconds: renewal keeps ahead of that too. */
  askedSeconds: number
}

export type Freshness =
  | { readonly kind: 'fresh'; readonly token: CachedToken }
  /** The provider's tokens never live as long as requested; this one is new enough. */
  | { readonly kind: 'best'; readonly token: CachedToken }
  | { readonly kind: 'stale' }

/** Renews a token that is in use, so that a regular caller never waits for the provider. */
export interface Renewal {
  readonly runtime: Runtime
  readonly renew: () => void
}

interface Entry {
  readonly token: CachedToken
  /** When it is renewed, milliseconds since 1970; infinite: not, or it was. */
  renewAt: number
  readonly renew: (() => void) | undefined
}

/**
 * The access tokens of one account by requested scopes and audiences. One timer serves the renewals of all:
 * a timer for each token takes as much memory as the token.
 */
export class TokenCache {
  readonly #entries = new Map<string, Entry>()
  #alarm: { readonly at: number; readonly cancel: CancelTimer } | undefined
  #isClosed = false

  /**
   * Finds a token with more than `max(minValidSeconds, 10)` seconds left at `now`. If the provider's
   * tokens never live that long, the newest token is `best` for the first half of its life: such a
   * caller must not cause a request to the provider each time.
   */
  find(key: string, minValidSeconds: number, now: UnixSeconds): Freshness {
    const token = this.peek(key)
    if (token === undefined) return { kind: 'stale' }
    const needed = Math.max(minValidSeconds, SHORTEST_USEFUL_SECONDS)
    const left = token.expiresAt - now
    const lifetime = token.expiresAt - token.obtainedAt
    if (left > needed) return use(token, 'fresh', minValidSeconds)
    if (lifetime <= needed && left > lifetime / 2) return use(token, 'best', minValidSeconds)
    return { kind: 'stale' }
  }

  /**
   * Stores a token in place of the one under the same key. `renewal` runs ahead of the expiry if the
   * token was used by then and is still stored. A closed cache stores nothing.
   */
  store(key: string, token: CachedToken, renewal?: Renewal): void {
    // Deleted first, so that a token stored again counts as the newest.
    this.delete(key)
    if (this.#isClosed) return
    const renewAt = renewal === undefined ? Infinity : renewalTime(token, renewal.runtime)
    this.#entries.set(key, { token, renewAt, renew: renewal?.renew })
    if (renewal !== undefined) this.#setAlarm(renewAt, renewal.runtime)
    if (this.#entries.size <= MAX_CACHED_TOKENS) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.delete(oldest.value)
  }

  /** The token stored under `key`, whatever its age. */
  peek(key: string): CachedToken | undefined {
    return this.#entries.get(key)?.token
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#alarm?.cancel()
    this.#alarm = undefined
  }

  /** Forgets all tokens, ends their renewals, and stores none from now on. */
  close(): void {
    this.#isClosed = true
    this.clear()
  }

  get size(): number {
    return this.#entries.size
  }

  #setAlarm(at: number, runtime: Runtime): void {
    if (this.#alarm !== undefined && this.#alarm.at <= at) return
    this.#alarm?.cancel()
    this.#alarm = { at, cancel: startTimer(runtime, at, () => this.#renewDue(runtime)) }
  }

  #renewDue(runtime: Runtime): void {
    this.#alarm = undefined
    const now = runtime.now()
    const due = [...this.#entries.values()].filter(({ renewAt }) => renewAt <= now)
    for (const entry of due) {
      entry.renewAt = Infinity
      if (entry.token.used) entry.renew?.()
    }
    const times = [...this.#entries.values()].map(({ renewAt }) => renewAt)
    const next = Math.min(Infinity, ...times)
    if (next < Infinity) this.#setAlarm(next, runtime)
  }
}

function use(token: CachedToken, kind: 'fresh' | 'best', minValidSeconds: number): Freshness {
  token.used = true
  token.askedSeconds = Math.max(token.askedSeconds, minValidSeconds)
  return { kind, token }
}

/** Milliseconds since 1970. */
function renewalTime(token: CachedToken, runtime: Runtime): number {
  return (token.expiresAt - renewalLeadSeconds(token, runtime.random())) * 1000
}

/**
 * How long before its expiry a token is renewed, seconds: a fifth to a tenth of its life (random, so
 * that tokens obtained together are not renewed together), earlier if callers ask for more remaining
 * life, but never in the first half of its life.
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
