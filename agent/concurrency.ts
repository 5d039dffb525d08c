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
