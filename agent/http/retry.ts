import { setTimeout as timeout } from 'node:timers/promises'
import { AgentError } from '../../protocol/wire/errors.ts'
import {
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  retryAfterSeconds,
  type Trust,
  urlOf,
} from './http-client.ts'
import { cancelled, neverSent } from './network-error.ts'

/** The clock and the waits between attempts. */
export interface RetryPolicy {
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

export const defaultRetryPolicy: RetryPolicy = {
  now: () => performance.now(),
  random: Math.random,
  pause: (milliseconds, signal) => timeout(milliseconds, undefined, { signal }),
}

const MAX_ATTEMPTS = 3
/** Milliseconds before the second attempt: doubled before the third, then shortened at random by up to half. */
const BACK_OFF_MS = 250

const TOO_MANY_REQUESTS = 429

type Outcome = { readonly response: HttpResponse } | { readonly error: AgentError }

/**
 * HTTP exchanges with retries, where a retry cannot do harm.
 *
 * A GET is repeated after a network error, a timeout, and status 429, 502, 503 or 504. Any other request
 * is repeated only if the provider certainly did not process it: no connection was established, or the
 * status is 429 with `Retry-After`. A provider that rotates refresh tokens takes the second use of one
 * for theft. A 503 with `Retry-After` proves nothing: caches send it when a provider was too slow.
 */
export class RetryingHttpClient {
  readonly #http: HttpClient
  readonly #policy: RetryPolicy
  readonly #totalMs: number
  readonly #breaker: CircuitBreaker

  /** @param totalMs milliseconds from the first attempt after which no further attempt begins */
  constructor(http: HttpClient, policy: RetryPolicy, totalMs: number) {
    this.#http = http
    this.#policy = policy
    this.#totalMs = totalMs
    this.#breaker = new CircuitBreaker(policy.now)
  }

  /**
   * As {@link HttpClient.send}, with at most three attempts. The last outcome counts, whatever it is.
   * @throws AgentError as there, and at once while the circuit of this origin is open.
   */
  async send(request: HttpRequest, trust: Trust, signal: AbortSignal): Promise<HttpResponse> {
    const { origin } = urlOf(request.url)
    return this.#breaker.run(origin, async () => {
      const outcome = await this.#attemptUntilDone(request, trust, signal)
      if ('error' in outcome) throw outcome.error
      return outcome.response
    })
  }

  async #attemptUntilDone(
    request: HttpRequest,
    trust: Trust,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { now, pause } = this.#policy
    const startedAt = now()
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#attempt(request, trust, signal)
      const wait = attempt < MAX_ATTEMPTS ? this.#waitAfter(outcome, request, attempt) : undefined
      if (wait === undefined || now() - startedAt + wait >= this.#totalMs) return outcome
      try {
        await pause(wait, signal)
      } catch {
        return { error: cancelled(signal) }
      }
    }
  }

  async #attempt(request: HttpRequest, trust: Trust, signal: AbortSignal): Promise<Outcome> {
    try {
      return { response: await this.#http.send(request, trust, signal) }
    } catch (error) {
      if (error instanceof AgentError) return { error }
      throw error
    }
  }

  /** Milliseconds until the next attempt; undefined if there must not be one. */
  #waitAfter(outcome: Outcome, { method }: HttpRequest, attempt: number): number | undefined {
    const isGet = method === 'GET'
    const backOff = BACK_OFF_MS * 2 ** (attempt - 1) * (0.5 + this.#policy.random() / 2)
    if ('response' in outcome) return waitAfterResponse(outcome.response, isGet, backOff)
    const { error } = outcome
    return neverSent(error) || (isGet && isUnreachable(error)) ? backOff : undefined
  }
}

function waitAfterResponse(
  response: HttpResponse,
  isGet: boolean,
  backOff: number,
): number | undefined {
  const mayBeRepeated = isGet || response.status === TOO_MANY_REQUESTS
  if (!isOverloaded(response) || !mayBeRepeated) return undefined
  const seconds = mayHaveRetryAfter(response) ? retryAfterSeconds(response) : undefined
  if (seconds !== undefined) return seconds * 1000 + backOff
  return isGet ? backOff : undefined
}

/** RFC 6585 §4, RFC 9110 §15.6.4. */
function mayHaveRetryAfter({ status }: HttpResponse): boolean {
  return status === TOO_MANY_REQUESTS || status === 503
}

function isOverloaded({ status }: HttpResponse): boolean {
  return status === TOO_MANY_REQUESTS || (status >= 502 && status <= 504)
}

function isUnreachable(error: unknown): error is AgentError {
  if (!(error instanceof AgentError)) return false
  return error.code === 'network' || error.code === 'provider-timeout'
}

const FIRST_BACK_OFF_MS = 1000
const LONGEST_BACK_OFF_MS = 30_000

interface Failures {
  readonly count: number
  readonly reason: AgentError
  /** When the back-off has elapsed, on the monotonic clock. */
  readonly until: number
  /** Position in the order of calls and failures. */
  readonly turn: number
}

/**
 * Circuit breaker: after two consecutive failures, fails fast with the last error until the back-off has
 * elapsed. The back-off doubles from 1 s to 30 s with each further failure; a success resets it. One
 * failure alone may be an accident, so the next request is still sent.
 */
export class CircuitBreaker {
  readonly #now: () => number
  readonly #failures = new Map<string, Failures>()
  #turn = 0

  /** @param now milliseconds of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Runs `work` on the provider that `key` names.
   * @throws AgentError the last failure, without running `work`, while the circuit is open.
   */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const failures = this.#failures.get(key)
    if (failures !== undefined && this.#now() < failures.until) {
      throw circuitOpen(failures, this.#now())
    }
    this.#turn += 1
    const turn = this.#turn
    try {
      const result = await work()
      this.#failures.delete(key)
      return result
    } catch (error) {
      if (isUnreachable(error)) this.#record(key, error, turn)
      throw error
    }
  }

  #record(key: string, reason: AgentError, startedAt: number): void {
    const before = this.#failures.get(key)
    // Requests that ran at the same time fail for the same reason, which counts once.
    if (before !== undefined && startedAt < before.turn) return
    const count = (before?.count ?? 0) + 1
    const backOff =
      count === 1 ? 0 : Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (count - 2))
    this.#turn += 1
    this.#failures.set(key, { count, reason, until: this.#now() + backOff, turn: this.#turn })
  }
}

function circuitOpen({ count, reason, until }: Failures, now: number): AgentError {
  const seconds = Math.ceil((until - now) / 1000)
  return new AgentError(
    reason.code,
    `${reason.message} (${count} failures in a row; next attempt in ${seconds} s)`,
    { hint: reason.hint, cause: reason },
  )
}
