import { setTimeout as timeout } from 'node:timers/promises'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { HttpClient, HttpRequest, HttpResponse } from './http-client.ts'
import { cancelled, neverSent } from './network-error.ts'
import { retryAfterSeconds } from './response-headers.ts'
import { type Trust, urlOf } from './url-policy.ts'

/** How somebody waits between two tries. */
export interface RetryPolicy {
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number
  /** From 0 to below 1. */
  readonly random: () => number
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

export const defaultRetryPolicy: RetryPolicy = {
  now: () => performance.now(),
  random: Math.random,
  pause: (milliseconds, signal) => timeout(milliseconds, undefined, { signal }),
}

const MOST_TRIES = 3
/** Milliseconds before the second try; doubled before each further one, and cut short by chance. */
const BACK_OFF_MS = 250

const TOO_MANY_REQUESTS = 429

type Outcome = { readonly response: HttpResponse } | { readonly error: AgentError }

/**
 * HTTP exchanges that are tried again where that cannot do harm. A question may be asked twice. All
 * else only when it surely was not carried out, as a provider that rotates refresh tokens takes the
 * second use of one for theft: nobody took the connection, or it was counted and found too much. A 503
 * does not say that: caches answer so, with a time to come back, for a provider that was too slow.
 */
export class RetryingHttpClient {
  readonly #http: HttpClient
  readonly #patience: RetryPolicy
  readonly #totalMs: number
  readonly #pauses: CircuitBreaker

  /** @param totalMs milliseconds after whose end no further try begins */
  constructor(http: HttpClient, patience: RetryPolicy, totalMs: number) {
    this.#http = http
    this.#patience = patience
    this.#totalMs = totalMs
    this.#pauses = new CircuitBreaker(patience.now)
  }

  /** As {@link HttpClient.send}. */
  async send(request: HttpRequest, trust: Trust, signal: AbortSignal): Promise<HttpResponse> {
    const { origin } = urlOf(request.url)
    return this.#pauses.run(origin, async () => {
      const outcome = await this.#tryUntilDone(request, trust, signal)
      if ('error' in outcome) throw outcome.error
      return outcome.response
    })
  }

  async #tryUntilDone(request: HttpRequest, trust: Trust, signal: AbortSignal): Promise<Outcome> {
    const { now, pause } = this.#patience
    const begun = now()
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#try(request, trust, signal)
      const wait = tries < MOST_TRIES ? this.#waitAfter(outcome, request, tries) : undefined
      if (wait === undefined || now() - begun + wait >= this.#totalMs) return outcome
      try {
        await pause(wait, signal)
      } catch {
        return { error: cancelled(signal) }
      }
    }
  }

  async #try(request: HttpRequest, trust: Trust, signal: AbortSignal): Promise<Outcome> {
    try {
      return { response: await this.#http.send(request, trust, signal) }
    } catch (error) {
      if (error instanceof AgentError) return { error }
      throw error
    }
  }

  /** Milliseconds until the next try; undefined: there must not be any. */
  #waitAfter(outcome: Outcome, { method }: HttpRequest, tries: number): number | undefined {
    const isQuestion = method === 'GET'
    const backOff = BACK_OFF_MS * 2 ** (tries - 1) * (0.5 + this.#patience.random() / 2)
    if ('response' in outcome) return waitAfterAnswer(outcome.response, isQuestion, backOff)
    const { error } = outcome
    return neverSent(error) || (isQuestion && isPassing(error)) ? backOff : undefined
  }
}

function waitAfterAnswer(
  response: HttpResponse,
  isQuestion: boolean,
  backOff: number,
): number | undefined {
  const mayBeRepeated = isQuestion || response.status === TOO_MANY_REQUESTS
  if (!isOverloaded(response) || !mayBeRepeated) return undefined
  const seconds = mayNameTime(response) ? retryAfterSeconds(response) : undefined
  if (seconds !== undefined) return seconds * 1000 + backOff
  return isQuestion ? backOff : undefined
}

function isPassing({ code }: AgentError): boolean {
  return code === 'network' || code === 'provider-timeout'
}

/** RFC 6585 §4, RFC 9110 §15.6.4. */
function mayNameTime({ status }: HttpResponse): boolean {
  return status === TOO_MANY_REQUESTS || status === 503
}

function isOverloaded({ status }: HttpResponse): boolean {
  return status === TOO_MANY_REQUESTS || (status >= 502 && status <= 504)
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000

interface Failed {
  readonly failures: number
  readonly reason: AgentError
  /** On the clock. */
  readonly until: number
  /** In the order of events. */
  readonly turn: number
}

/**
 * Keeps those who ask from waiting, one after the other, for somebody who cannot be reached. One
 * failure may be an accident: the next request is made. From the second in a row on, requests fail
 * at once with the last reason until a pause is over, which doubles from 1 s to 30 s.
 */
export class CircuitBreaker {
  readonly #now: () => number
  readonly #failed = new Map<string, Failed>()
  #turn = 0

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Does `work` with whoever `key` names, unless that one is left alone. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const failed = this.#failed.get(key)
    if (failed !== undefined && this.#now() < failed.until) throw circuitOpen(failed, this.#now())
    this.#turn += 1
    const turn = this.#turn
    try {
      const result = await work()
      this.#failed.delete(key)
      return result
    } catch (error) {
      if (isUnreachable(error)) this.#note(key, error, turn)
      throw error
    }
  }

  #note(key: string, reason: AgentError, begunAt: number): void {
    const before = this.#failed.get(key)
    // Requests that were under way at the same time fail for the same reason: that counts once.
    if (before !== undefined && begunAt < before.turn) return
    const failures = (before?.failures ?? 0) + 1
    const pause =
      failures === 1 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 2))
    this.#turn += 1
    this.#failed.set(key, { failures, reason, until: this.#now() + pause, turn: this.#turn })
  }
}

function isUnreachable(error: unknown): error is AgentError {
  if (!(error instanceof AgentError)) return false
  return error.code === 'network' || error.code === 'provider-timeout'
}

function circuitOpen({ failures, reason, until }: Failed, now: number): AgentError {
  const seconds = Math.ceil((until - now) / 1000)
  return new AgentError(
    reason.code,
    `${reason.message} (${failures} times in a row; not asked again for ${seconds} s)`,
    { hint: reason.hint, cause: reason },
  )
}
