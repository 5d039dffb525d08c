import type { Account } from '../../protocol/account.ts'
import type { PasswordEntry } from '../../protocol/messages.ts'
import type { World } from '../world.ts'

/** Logins that wait for a person, at most: the oldest is forgotten. A sanity bound. */
const MAX_PENDING = 100

/** A login that waits for the person's approval. */
export interface PendingLogin {
  readonly account: Account
  readonly passwordEntry: PasswordEntry | undefined
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** Logins under way, by device code. */
export class PendingLogins {
  readonly #world: World
  readonly #pending = new Map<string, PendingLogin>()

  constructor(world: World) {
    this.#world = world
  }

  add(code: string, login: PendingLogin): void {
    for (const [key, { expiresAt }] of this.#pending) {
      if (expiresAt <= this.#world.now() || this.#pending.size >= MAX_PENDING) {
        this.#pending.delete(key)
      }
    }
    this.#pending.set(code, login)
  }

  get(code: string): PendingLogin | undefined {
    return this.#pending.get(code)
  }

  end(code: string): void {
    this.#pending.delete(code)
  }
}
