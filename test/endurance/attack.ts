import type { Contender } from './contender.ts'

/** What an attack gets to work with. */
export interface AttackOptions {
  readonly contender: Contender
  /** How long it should take. Attacks that count do what fits. */
  readonly seconds: number
  /** Everything random follows from it: the same seed sends the same bytes. */
  readonly seed: number
}

/** What an attack did, and what came of it. */
export interface Outcome {
  readonly did: string
  readonly result: string
  /** What must hold, in words; absent: a figure to read, without a bound. */
  readonly bound?: string
  /** Whether it held. */
  readonly ok: boolean
}

/** One row of the table. */
export interface Attack {
  readonly name: string
  /** Its part of the whole time, compared with the others. */
  readonly weight: number
  /** Why it cannot be run here. */
  readonly skipped?: string
  /** True: it attacks our code in process or what only our agent has, so there is no other to compare with. */
  readonly onlyOurs?: boolean
  /** @throws Error if the attack itself cannot be carried out */
  run(options: AttackOptions): Promise<Outcome>
}

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
