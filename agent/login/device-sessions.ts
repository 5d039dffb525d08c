import type { Account } from '../../protocol/storage/account.ts'
import type { PasswordEntry } from '../../protocol/wire/messages.ts'
import { LONGEST_TIMER_MS, type Runtime } from '../runtime.ts'

/** Logins that wait for a person, at most: the oldest is forgotten. A sanity bound. */
const MAX_PENDING = 100

/** How much longer than its code a login is remembered, for a client that asks in the last moment. */
const LINGER_MS = 60_000

/** A login that waits for the person's approval. */
export interface DeviceSession {
  readonly account: Account
  readonly passwordEntry: PasswordEntry | undefined
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** Logins under way, by device code. */
export class DeviceSessions {
  readonly #runtime: Runtime
  readonly #pending = new Map<string, { login: DeviceSession; forgetting: NodeJS.Timeout }>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Remembers a login until it ends, or its code has: it holds a client's secret. */
  add(code: string, login: DeviceSession): void {
    this.end(code)
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size < MAX_PENDING) break
      this.end(oldest)
    }
    const left = login.expiresAt - this.#runtime.now() + LINGER_MS
    const forgetting = setTimeout(() => this.end(code), Math.min(left, LONGEST_TIMER_MS))
    forgetting.unref()
    this.#pending.set(code, { login, forgetting })
  }

  get(code: string): DeviceSession | undefined {
    return this.#pending.get(code)?.login
  }

  end(code: string): void {
    clearTimeout(this.#pending.get(code)?.forgetting)
    this.#pending.delete(code)
  }
}
