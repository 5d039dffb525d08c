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
      // The turn is handed over by the one that ends, so nobody can slip in between.
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

/** {@link Turns} by key; a key nobody uses takes no memory. */
export class KeyedMutex {
  readonly #limit: number
  readonly #turns = new Map<string, { readonly turns: Semaphore; users: number }>()

  constructor(limit: number) {
    this.#limit = limit
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#turns.get(key) ?? { turns: new Semaphore(this.#limit), users: 0 }
    this.#turns.set(key, entry)
    entry.users += 1
    try {
      return await entry.turns.run(work)
    } finally {
      entry.users -= 1
      if (entry.users === 0) this.#turns.delete(key)
    }
  }
}

/** Runs work for one key once, however many ask for it while it runs (kubelogin #628 is what happens without). */
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

  /** Settles when nothing runs any more, also of what began while it waited. Never rejects. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values())
  }
}
