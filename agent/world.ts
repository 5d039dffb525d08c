/** What the agent takes from outside: passed in from `run.ts`, replaced in tests. */
export interface World {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
}

export const realWorld: World = { now: Date.now, random: Math.random }
