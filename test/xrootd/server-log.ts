import type { Readable } from 'node:stream'

interface Waiter {
  readonly look: () => void
  readonly fail: (reason: string) => void
}

export interface LineOptions {
  /** An earlier {@link ServerLog.length}: only later lines count. */
  readonly from?: number
  readonly timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 20_000

/** The output of a server. */
export class ServerLog {
  #text = ''
  #open: number
  readonly #waiters = new Set<Waiter>()

  constructor(streams: readonly Readable[]) {
    this.#open = streams.length
    for (const stream of streams) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        this.#text += chunk
        for (const waiter of this.#waiters) waiter.look()
      })
      stream.once('close', () => {
        this.#open -= 1
        if (this.#open > 0) return
        for (const waiter of this.#waiters) waiter.fail('the server ended')
      })
    }
  }

  get text(): string {
    return this.#text
  }

  get length(): number {
    return this.#text.length
  }

  since(from: number): string {
    return this.#text.slice(from)
  }

  /**
   * Waits until a part of the log matches.
   * @throws Error with the log if nothing matches in time, or the server ends.
   */
  line(pattern: RegExp, options: LineOptions = {}): Promise<RegExpExecArray> {
    const { from = 0, timeoutMs = DEFAULT_TIMEOUT_MS } = options
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter = {
        look: () => {
          const match = pattern.exec(this.since(from))
          if (match === null) return
          done()
          resolve(match)
        },
        fail: (reason) => {
          done()
          reject(new Error(`${reason}; no match of ${pattern.source} in:\n${this.since(from)}`))
        },
      }
      const timer = setTimeout(() => waiter.fail(`waited ${timeoutMs} ms`), timeoutMs)
      this.#waiters.add(waiter)
      waiter.look()
      if (this.#open === 0) waiter.fail('the server ended')
    })
  }
}
