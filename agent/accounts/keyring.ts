import { sameIssuer } from '../../protocol/storage/account.ts'
import { LONGEST_TIMER_MS, type Runtime } from '../runtime.ts'
import type { LoadedAccount } from './loaded-account.ts'

interface Entry {
  readonly loaded: LoadedAccount
  /** Milliseconds since 1970; undefined = for ever. */
  diesAt: number | undefined
  timer: NodeJS.Timeout | undefined
}

/** Who is told of accounts that come and go. */
export interface AccountsChanged {
  readonly added: (loaded: LoadedAccount) => void
  /** Of every account that leaves, however it does. */
  readonly removed: (loaded: LoadedAccount) => void
}

/** The accounts the agent holds now, in the order they were loaded, each until its lifetime ends. */
export class Keyring {
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

  /** Loads an account, in place of one of the same name. `lifetime` in seconds, 0 = for ever. */
  add(loaded: LoadedAccount, lifetime: number): void {
    this.remove(loaded.name)
    this.#entries.set(loaded.name, { loaded, diesAt: undefined, timer: undefined })
    this.setLifetime(loaded.name, lifetime)
    this.#onChange.added(loaded)
  }

  /** Sets when a loaded account is removed: in `lifetime` seconds, 0 = never. */
  setLifetime(name: string, lifetime: number): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    clearTimeout(entry.timer)
    entry.diesAt = lifetime > 0 ? this.#runtime.now() + lifetime * 1000 : undefined
    this.#watch(entry)
  }

  /** Seconds the account has left, 0 = for ever; undefined where it is not loaded. */
  lifetimeLeft(name: string): number | undefined {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    if (entry.diesAt === undefined) return 0
    return Math.max(1, Math.ceil((entry.diesAt - this.#runtime.now()) / 1000))
  }

  /** Whether there was an account to remove. */
  remove(name: string): boolean {
    const entry = this.#entries.get(name)
    if (entry === undefined) return false
    clearTimeout(entry.timer)
    this.#entries.delete(name)
    entry.loaded.tokens.clear()
    this.#onChange.removed(entry.loaded)
    return true
  }

  removeAll(): void {
    for (const name of this.names()) this.remove(name)
  }

  #watch(entry: Entry): void {
    if (entry.diesAt === undefined) return
    const left = entry.diesAt - this.#runtime.now()
    if (left <= 0) {
      this.remove(entry.loaded.name)
      return
    }
    entry.timer = setTimeout(() => this.#watch(entry), Math.min(left, LONGEST_TIMER_MS))
    entry.timer.unref()
  }
}
