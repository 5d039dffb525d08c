import type { KeyPair } from '../protocol/sealed.ts'

/** Enough for a burst of sealed clients; a pair is 32 bytes and a handle. */
const STOCK = 16

/**
 * Key pairs made while the agent has nothing else to do: making one takes as long as all the rest
 * of a sealed connection. Each is used for one connection.
 */
export class KeyStock {
  readonly #make: () => KeyPair
  readonly #pairs: KeyPair[] = []
  #refilling = false

  constructor(make: () => KeyPair) {
    this.#make = make
  }

  take(): KeyPair {
    const pair = this.#pairs.pop() ?? this.#make()
    this.#refill()
    return pair
  }

  /** One pair per turn of the event loop, so that a waiting client goes first. */
  #refill(): void {
    if (this.#refilling || this.#pairs.length >= STOCK) return
    this.#refilling = true
    setImmediate(() => {
      this.#refilling = false
      this.#pairs.push(this.#make())
      this.#refill()
    })
  }
}
