import {
  type DeriveKey,
  newFileKey,
  openAccountFile,
  sealAccountFile,
} from '../../protocol/storage/account-file.ts'
import { peerError } from '../../protocol/wire/errors.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Runtime } from '../concurrency.ts'
import type { Keyring } from './keyring.ts'
import { LoadedAccount } from './loaded-account.ts'
import { UnlockSlots } from './unlock-slots.ts'

type State =
  | { readonly state: 'open' }
  /** Requests are refused already, but refreshes under way may still bring a new refresh token. */
  | { readonly state: 'locking' }
  | { readonly state: 'locked'; readonly salt: Uint8Array; readonly sealed: string }

/**
 * The agent's lock. While the agent is locked, its accounts exist only sealed under a key derived from
 * the lock password (Argon2id, as account files); opening the seal is the password check. JavaScript
 * cannot wipe what it held before: the lock protects from clients of the socket, not from a program that
 * can read the process's memory.
 */
export class Lock {
  readonly #keyring: Keyring
  readonly #derive: DeriveKey
  readonly #settled: () => Promise<void>
  readonly #runtime: Runtime
  readonly #slots: UnlockSlots
  #state: State = { state: 'open' }

  constructor(parts: {
    readonly keyring: Keyring
    readonly derive: DeriveKey
    /** Resolves when no refresh is under way. */
    readonly settled: () => Promise<void>
    readonly runtime: Runtime
  }) {
    this.#keyring = parts.keyring
    this.#derive = parts.derive
    this.#settled = parts.settled
    this.#runtime = parts.runtime
    this.#slots = new UnlockSlots(parts.runtime)
  }

  /** True also while it is being locked: a request that began before must not load an account any more. */
  get isLocked(): boolean {
    return this.#state.state !== 'open'
  }

  /** @throws AgentError `agent-locked` */
  checkOpen(): void {
    if (this.isLocked) {
      throw peerError('agent-locked', { hint: 'Unlock it with\n\t$ oidc-add -X' })
    }
  }

  /**
   * Locks the agent with `password`, once the refreshes under way have ended.
   * @throws AgentError `agent-locked` if it is locked already
   */
  async lock(password: string): Promise<void> {
    this.checkOpen()
    this.#state = { state: 'locking' }
    try {
      const key = await newFileKey(password, this.#derive)
      await this.#settled()
      // Read and removed at once: a refresh in between would bring a token that is not in the seal.
      const accounts = serializeAccounts(this.#keyring, this.#runtime.now())
      this.#keyring.removeAll()
      const sealed = await sealAccountFile(accounts, key).catch((error: unknown) => {
        restoreAccounts(accounts, this.#keyring, this.#runtime.now())
        throw error
      })
      this.#state = { state: 'locked', salt: key.salt, sealed }
    } catch (error) {
      this.#state = { state: 'open' }
      throw error
    }
  }

  /**
   * Unlocks the agent and loads its accounts again.
   * @param signal aborted when the client has gone: an attempt that has not begun is dropped
   * @throws AgentError `agent-not-locked`; after the delay, `wrong-password`; `agent-busy` if too many
   *   passwords were tried
   */
  async unlock(password: string, signal: AbortSignal): Promise<void> {
    if (this.#state.state !== 'locked') throw peerError('agent-not-locked')
    await this.#slots.run(async () => {
      // Another attempt may have unlocked it while this one waited.
      if (this.#state.state !== 'locked') throw peerError('agent-not-locked')
      const { salt, sealed } = this.#state
      const key = { salt, bytes: await this.#derive(password, salt) }
      const serialized = await openAccountFile(sealed, key)
      this.#state = { state: 'open' }
      restoreAccounts(serialized, this.#keyring, this.#runtime.now())
    }, signal)
  }
}

/**
 * The loaded accounts as one JSON object, to be sealed while the agent is locked. `now` in milliseconds
 * since 1970.
 */
export function serializeAccounts(keyring: Keyring, now: number): JsonObject {
  const accounts = keyring.all().map((loaded) => {
    const lifetime = keyring.lifetimeLeft(loaded.name) ?? 0
    // A time, not a span: an account's lifetime goes on while the agent is locked.
    return { ...loaded.toRecord(), dies_at: lifetime === 0 ? 0 : now + lifetime * 1000 }
  })
  return { accounts }
}

/** Loads the accounts of {@link serializeAccounts}, except those whose lifetime ended in between. */
export function restoreAccounts(serialized: JsonObject, keyring: Keyring, now: number): void {
  const list = serialized['accounts']
  if (!Array.isArray(list)) return
  for (const item of list) {
    if (isJsonObject(item)) restore(item, keyring, now)
  }
}

function restore(record: JsonObject, keyring: Keyring, now: number): void {
  const { dies_at: diesAt } = record
  const lifetime = typeof diesAt === 'number' && diesAt > 0 ? (diesAt - now) / 1000 : undefined
  if (lifetime !== undefined && lifetime <= 0) return
  const loaded = LoadedAccount.fromRecord(record)
  if (loaded !== undefined) keyring.add(loaded, lifetime ?? 0)
}
