import type { Account } from '../../protocol/storage/account.ts'
import type { PasswordEntry } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { type CancelTimer, type Runtime, startTimer } from '../concurrency.ts'

/** Most logins that wait for their user; the oldest is forgotten. A sanity bound. */
const MAX_PENDING = 100

/** How much longer than its device code a login is remembered, for a client that polls in the last moment. */
const LINGER_MS = 60_000

/** A login that waits for its user's approval (RFC 8628 §3.3). */
export interface DeviceSession {
  readonly account: Account
  readonly passwordEntry: Secret<PasswordEntry> | undefined
  /** When the device code expires, milliseconds since 1970. */
  readonly expiresAt: number
}

/** Logins under way, by device code. */
export class DeviceSessions {
  readonly #runtime: Runtime
  readonly #pending = new Map<string, { login: DeviceSession; cancelEnd: CancelTimer }>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Remembers a login until it ends or its device code expires: it holds a client secret. */
  add(code: string, login: DeviceSession): void {
    this.end(code)
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size < MAX_PENDING) break
      this.end(oldest)
    }
    const forgottenAt = login.expiresAt + LINGER_MS
    const cancelEnd = startTimer(this.#runtime, forgottenAt, () => this.end(code))
    this.#pending.set(code, { login, cancelEnd })
  }

  get(code: string): DeviceSession | undefined {
    return this.#pending.get(code)?.login
  }

  end(code: string): void {
    this.#pending.get(code)?.cancelEnd()
    this.#pending.delete(code)
  }
}
