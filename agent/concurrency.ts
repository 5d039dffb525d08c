import { setMaxListeners } from 'node:events'
import { uptime } from 'node:os'

/** Lets at most `limit` pieces of work run at a time; the others wait in order of arrival. */
export class Semaphore {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) {
      // The work that ends hands its turn over, so that no other can take it in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running += 1
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

/** A {@link Semaphore} for each key; a key that is not in use takes no memory. */
export class KeyedMutex {
  readonly #limit: number
  readonly #entries = new Map<string, { readonly semaphore: Semaphore; users: number }>()

  constructor(limit: number) {
    this.#limit = limit
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#entries.get(key) ?? { semaphore: new Semaphore(this.#limit), users: 0 }
    this.#entries.set(key, entry)
    entry.users += 1
    try {
      return await entry.semaphore.run(work)
    } finally {
      entry.users -= 1
      if (entry.users === 0) this.#entries.delete(key)
    }
  }
}

/** Runs work for one key once, however many callers ask for it while it runs (without it: kubelogin #628). */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>()

  /** The result of the running work for `key`, or of `work`, started now. */
  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const started = work().finally(() => this.#running.delete(key))
    this.#running.set(key, started)
    return started
  }
}

/** Work that goes on whether or not its caller waits for it, and that has to end before the agent does. */
export class RunningWork {
  readonly #running = new Set<Promise<unknown>>()

  track(work: Promise<unknown>): void {
    const end = (): void => void this.#running.delete(work)
    this.#running.add(work)
    work.then(end, end)
  }

  /** Resolves when nothing runs any more, also of what began while it waited. Never rejects. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }
}

/** A signal that is aborted by the caller's signal or after a time limit. */
export interface Deadline {
  readonly signal: AbortSignal
  /** Whether the time limit aborted it. */
  readonly passed: () => boolean
  /** Releases the timer and the caller's signal. */
  readonly end: () => void
}

/**
 * Starts a deadline. `AbortSignal.any` would be shorter, but on Node 20 the signals it makes stay in
 * memory as long as the caller's signal does.
 */
export function startDeadline(milliseconds: number, caller: AbortSignal): Deadline {
  const controller = new AbortController()
  let passed = false
  const timer = setTimeout(() => {
    passed = true
    controller.abort()
  }, milliseconds)
  const forget = onAbort(caller, () => controller.abort(caller.reason))
  return {
    signal: controller.signal,
    passed: () => passed,
    end: () => {
      clearTimeout(timer)
      forget()
    },
  }
}

/** Waits for shared work until it settles or `signal` is aborted. The work continues for other callers. */
export function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const forget = onAbort(signal, () => reject(abortReason(signal)))
    work.then(resolve, reject).finally(forget)
  })
}

/** The reason of an aborted signal, as an error. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}

/** Calls back when `signal` is aborted, at once if it already is. Returns a function that unsubscribes. */
function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) callback()
  // Many requests may share one signal: without this, Node warns at the eleventh listener.
  else setMaxListeners(0, signal)
  signal.addEventListener('abort', callback, { once: true })
  return () => signal.removeEventListener('abort', callback)
}

/** What the agent takes from outside: passed in by `daemon.ts`, replaced in tests. */
export interface Runtime {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
  /** Seconds since the machine was started, suspension included: a clock that is never set. Default: the system's. */
  readonly uptime?: () => number
}

export const systemRuntime: Runtime = { now: Date.now, random: Math.random, uptime }

/** A moment by both clocks of a {@link Runtime}, in seconds. */
export interface Moment {
  readonly now: number
  readonly uptime: number
}

export function momentOf(runtime: Runtime): Moment {
  return { now: runtime.now() / 1000, uptime: (runtime.uptime ?? uptime)() }
}

/** Seconds by which the clocks may differ before the clock of the day counts as set: uptimes have whole seconds. */
const CLOCK_TOLERANCE_SECONDS = 2

/**
 * The time now in seconds since 1970, by the clock as it was at `since`: at least as much later as the
 * machine has run. If the clock was ahead and was corrected since then, an expiry that was computed then
 * would otherwise come too late.
 */
export function steadyNow(runtime: Runtime, since: Moment | undefined): number {
  const { now, uptime: running } = momentOf(runtime)
  if (since === undefined) return now
  const elapsed = since.now + running - since.uptime
  return elapsed > now + CLOCK_TOLERANCE_SECONDS ? elapsed : now
}

/** The longest delay that setTimeout takes: with a longer one it fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Ends a timer. Does nothing if the timer has fired or was ended before. */
export type CancelTimer = () => void

/**
 * Calls `callback` once, when the clock of `runtime` has reached `dueAt` (milliseconds since 1970), which
 * may be years ahead. Never before this function has returned, and without keeping the process alive.
 */
export function startTimer(runtime: Runtime, dueAt: number, callback: () => void): CancelTimer {
  let timer: NodeJS.Timeout
  const arm = (): void => {
    const left = Math.max(dueAt - runtime.now(), 0)
    timer = setTimeout(fire, Math.min(left, LONGEST_TIMER_MS)).unref()
  }
  const fire = (): void => {
    if (runtime.now() < dueAt) arm()
    else callback()
  }
  arm()
  return () => clearTimeout(timer)
}
