import type { KeyPair } from '../protocol/sealed.ts'
import type { Runtime } from './world.ts'

/** How long one key pair serves, milliseconds. */
const LIFE_MS = 1000

/**
 * The agent's side of the key exchange. A pair serves the connections of one second: making one
 * takes a third of the time a sealed request takes in all, and the secret of each connection is a
 * fresh one anyway, as the client's pair is new each time (protocol.md §1.4) and nonces are random.
 */
export class RotatingKeyPair {
  readonly #make: () => KeyPair
  readonly #now: Runtime['now']
  #current: { readonly pair: KeyPair; readonly until: number } | undefined

  constructor(make: () => KeyPair, now: Runtime['now']) {
    this.#make = make
    this.#now = now
  }

  get(): KeyPair {
    const now = this.#now()
    if (this.#current === undefined || now >= this.#current.until) {
      this.#current = { pair: this.#make(), until: now + LIFE_MS }
    }
    return this.#current.pair
  }
}
