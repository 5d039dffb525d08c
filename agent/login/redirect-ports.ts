import {
  type RedirectHandler,
  type RedirectServer,
  startRedirectServer,
} from './redirect-listener.ts'

interface OpenPort {
  readonly listener: Promise<RedirectServer | undefined>
  logins: number
}

/**
 * The ports on which browsers are waited for. Logins share a port: one that was never finished does
 * not keep the next from the only redirect URI its client has.
 */
export class RedirectServers {
  readonly #answer: (port: number) => RedirectHandler
  readonly #open = new Map<number, OpenPort>()

  constructor(answer: (port: number) => RedirectHandler) {
    this.#answer = answer
  }

  /** Whether browsers are waited for on `port` now, until {@link release}. */
  async take(port: number): Promise<boolean> {
    const open = this.#open.get(port) ?? {
      listener: startRedirectServer(port, this.#answer(port)),
      logins: 0,
    }
    this.#open.set(port, open)
    open.logins += 1
    if ((await open.listener) !== undefined) return true
    await this.release(port)
    return false
  }

  /** Ends one login's use of `port`; the last one's closes it. */
  async release(port: number): Promise<void> {
    const open = this.#open.get(port)
    if (open === undefined) return
    open.logins -= 1
    if (open.logins > 0) return
    this.#open.delete(port)
    await (await open.listener)?.close()
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(open.map(async ({ listener }) => (await listener)?.close()))
  }
}
