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
