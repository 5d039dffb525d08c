/** What the agent takes from outside: passed in from `run.ts`, replaced in tests. */
export interface Runtime {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
}

/** setTimeout takes no more (2^31 − 1 ms): what is due later is looked at again then. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

export const systemRuntime: Runtime = { now: Date.now, random: Math.random }
