import { sameIssuer } from '../../protocol/storage/account.ts'
import { type CancelTimer, KeyedMutex, type Runtime, startTimer } from '../concurrency.ts'
import type { LoadedAccount } from './loaded-account.ts'

interface Entry {
  readonly loaded: LoadedAccount
  /** End of its lifetime, milliseconds since 1970; undefined = loaded forever. */
  readonly diesAt: number | undefined
  readonly cancelEnd: CancelTimer | undefined
}

/** Called when accounts come and go. */
export interface AccountsChanged {
  readonly added: (loaded: LoadedAccount) => void
  /** For every account that leaves: removed, locked, replaced, or at the end of its lifetime. */
  readonly removed: (loaded: LoadedAccount) => void
}

/** The accounts the agent holds now, in the order they were loaded, each until its lifetime ends. */
export class Keyring {
  /** One request at a time loads an account, by its name. */
  readonly loading = new KeyedMutex(1)
  readonly #runtime: Runtime
  readonly #onChange: AccountsChanged
  readonly #entries = new Map<string, Entry>()

  constructor(runtime: Runtime, onChange: AccountsChanged) {
    this.#runtime = runtime
    this.#onChange = onChange
  }

  get(name: string): LoadedAccount | undefined {
    return this.#entries.get(name)?.loaded
  }

  names(): readonly string[] {
    return [...this.#entries.keys()]
  }

  all(): readonly LoadedAccount[] {
    return [...this.#entries.values()].map((entry) => entry.loaded)
  }

  /** The loaded accounts of an issuer, oldest first. */
  ofIssuer(issuer: string): readonly LoadedAccount[] {
    return this.all().filter(
      ({ account, publishedIssuer }) =>
        sameIssuer(account.issuer, issuer) ||
        (publishedIssuer !== undefined && sameIssuer(publishedIssuer, issuer)),
    )
  }

  /** Loads an account, in place of one of the same name. `lifetime` in seconds, 0 = forever. */
  add(loaded: LoadedAccount, lifetime: number): void {
    this.remove(loaded.name)
    this.#entries.set(loaded.name, { loaded, diesAt: undefined, cancelEnd: undefined })
    this.setLifetime(loaded.name, lifetime)
    this.#onChange.added(loaded)
  }

  /** Sets when a loaded account is removed: in `lifetime` seconds, 0 = never. */
  setLifetime(name: string, lifetime: number): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    entry.cancelEnd?.()
    const { loaded } = entry
    if (lifetime > 0) {
      const diesAt = this.#runtime.now() + lifetime * 1000
      const cancelEnd = startTimer(this.#runtime, diesAt, () => this.remove(name))
      this.#entries.set(name, { loaded, diesAt, cancelEnd })
    } else {
      this.#entries.set(name, { loaded, diesAt: undefined, cancelEnd: undefined })
    }
  }

  /** Seconds the account has left, 0 = forever; undefined if it is not loaded. */
  lifetimeLeft(name: string): number | undefined {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    if (entry.diesAt === undefined) return 0
    return Math.max(1, Math.ceil((entry.diesAt - this.#runtime.now()) / 1000))
  }

  /** Removes an account; returns whether it was loaded. */
  remove(name: string): boolean {
    const entry = this.#entries.get(name)
    if (entry === undefined) return false
    entry.cancelEnd?.()
    this.#entries.delete(name)
    entry.loaded.dispose()
    this.#onChange.removed(entry.loaded)
    return true
  }

  removeAll(): void {
    for (const name of this.names()) this.remove(name)
  }

  /** Ends what the accounts do by themselves. They stay, for their refresh tokens to be saved. */
  close(): void {
    for (const { loaded, cancelEnd } of this.#entries.values()) {
      cancelEnd?.()
      loaded.dispose()
    }
  }
}
