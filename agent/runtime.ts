/** What the agent takes from outside: passed in by `daemon.ts`, replaced in tests. */
export interface Runtime {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
}

export const systemRuntime: Runtime = { now: Date.now, random: Math.random }

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
