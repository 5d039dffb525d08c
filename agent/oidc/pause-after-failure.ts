import { AgentError } from '../../protocol/errors.ts'

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
