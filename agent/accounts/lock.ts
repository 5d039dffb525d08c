import { setTimeout as delay } from 'node:timers/promises'
import { accountOf } from '../../protocol/storage/account.ts'
import {
  type DeriveKey,
  type FileKey,
  newFileKey,
  openAccountFile,
  sealAccountFile,
} from '../../protocol/storage/account-file.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import { type JsonObject, type JsonValue, passwordEntryOf } from '../../protocol/wire/messages.ts'
import { Semaphore } from '../concurrency.ts'
import type { Runtime } from '../runtime.ts'
import type { Keyring } from './keyring.ts'
import { LoadedAccount, type Rotation } from './loaded-account.ts'

/** Each wrong password makes the next answer wait 100 ms × n², at most 10 s, as ssh-agent does. */
const DELAY_STEP_MS = 100
const LONGEST_DELAY_MS = 10_000

type State =
  | { readonly state: 'open' }
  /** Requests are refused already, but running refreshes may still bring a rotated token. */
  | { readonly state: 'locking' }
  | { readonly state: 'locked'; readonly salt: Uint8Array; readonly sealed: string }

/**
 * The agent's lock. While it is locked, accounts exist only sealed under a key derived from the
 * lock password (Argon2id, as account files); opening the seal is the password check. JavaScript
 * cannot wipe what it held before: locking protects from later readers of the socket, not from one
 * who can read the process's memory.
 */
export class Lock {
  readonly #keyring: Keyring
  readonly #derive: DeriveKey
  readonly #settled: () => Promise<void>
  readonly #runtime: Runtime
  // One attempt at a time: parallel guesses would share one delay.
  readonly #attempts = new Semaphore(1)
  #state: State = { state: 'open' }
  #failures = 0

  constructor(parts: {
    readonly keyring: Keyring
    readonly derive: DeriveKey
    /** Settles when no refresh is under way. */
    readonly settled: () => Promise<void>
    readonly runtime: Runtime
  }) {
    this.#keyring = parts.keyring
    this.#derive = parts.derive
    this.#settled = parts.settled
    this.#runtime = parts.runtime
  }

  /** Also while it is being locked: whatever began before must not load an account any more. */
  get isLocked(): boolean {
    return this.#state.state !== 'open'
  }

  /** @throws AgentError `agent-locked` */
  checkOpen(): void {
    if (this.isLocked) {
      throw peerError('agent-locked', { hint: 'Unlock it with\n\t$ oidc-add -X' })
    }
  }

  /** @throws AgentError `agent-locked` where it is locked already. */
  async lock(password: string): Promise<void> {
    this.checkOpen()
    this.#state = { state: 'locking' }
    try {
      const key = await newFileKey(password, this.#derive)
      // Last, as tokens are renewed meanwhile: what they rotate must be in what is sealed.
      await this.#settled()
      const sealed = await sealAccountFile(
        serializeAccounts(this.#keyring, this.#runtime.now()),
        key,
      )
      this.#keyring.removeAll()
      this.#state = { state: 'locked', salt: key.salt, sealed }
    } catch (error) {
      this.#state = { state: 'open' }
      throw error
    }
  }

  /** @throws AgentError `agent-not-locked`, or, after the delay, `wrong-password`. */
  async unlock(password: string): Promise<void> {
    await this.#attempts.run(async () => {
      if (this.#state.state !== 'locked') throw peerError('agent-not-locked')
      const { salt, sealed } = this.#state
      const key = { salt, bytes: await this.#derive(password, salt) }
      try {
        const serialized = await openAccountFile(sealed, key)
        this.#state = { state: 'open' }
        this.#failures = 0
        restoreAccounts(serialized, this.#keyring, this.#runtime.now())
      } catch (error) {
        if (!(error instanceof AgentError) || error.code !== 'wrong-password') throw error
        this.#failures += 1
        const pause = Math.min(DELAY_STEP_MS * this.#failures ** 2, LONGEST_DELAY_MS)
        // An agent that is told to end does not wait for it.
        await delay(pause, undefined, { ref: false })
        throw error
      }
    })
  }
}

/**
 * The loaded accounts as one JSON object, to be sealed while the agent is locked. Access tokens are
 * not in it: they can be had again. `now` in milliseconds since 1970.
 */
export function serializeAccounts(keyring: Keyring, now: number): JsonObject {
  return { accounts: keyring.all().map((loaded) => serialized(loaded, keyring, now)) }
}

/** Loads what {@link serializeAccounts} froze, but for accounts whose lifetime ended meanwhile. */
export function restoreAccounts(serialized: JsonObject, keyring: Keyring, now: number): void {
  const list = serialized['accounts']
  if (!Array.isArray(list)) return
  for (const item of list) {
    if (isJsonObject(item)) restore(item, keyring, now)
  }
}

function serialized(loaded: LoadedAccount, keyring: Keyring, now: number): JsonObject {
  const { fileKey, passwordEntry } = loaded
  const lifetime = keyring.lifetimeLeft(loaded.name) ?? 0
  return {
    fields: loaded.account.fields,
    // A time, not a span: an account's lifetime goes on while the agent is locked.
    dies_at: lifetime === 0 ? 0 : now + lifetime * 1000,
    file_key:
      fileKey === undefined ? null : { salt: base64(fileKey.salt), bytes: base64(fileKey.bytes) },
    password_entry: passwordEntry === undefined ? null : plainJson(passwordEntry),
    confirm: loaded.confirm,
    always_allow_id_token: loaded.alwaysAllowIdToken,
    rotation: loaded.rotation,
    unsaved: loaded.saved.state === 'unsaved' ? loaded.saved.reason : null,
  }
}

function restore(item: JsonObject, keyring: Keyring, now: number): void {
  const { fields, dies_at: diesAt, unsaved } = item
  if (!isJsonObject(fields)) return
  const lifetime = typeof diesAt === 'number' && diesAt > 0 ? (diesAt - now) / 1000 : undefined
  if (lifetime !== undefined && lifetime <= 0) return
  const loaded = new LoadedAccount(accountOf(fields), {
    fileKey: fileKeyOf(item['file_key']),
    passwordEntry: passwordEntryOf(item['password_entry']),
    confirm: item['confirm'] === true,
    alwaysAllowIdToken: item['always_allow_id_token'] === true,
  })
  loaded.rotation = rotationOf(item['rotation'])
  if (typeof unsaved === 'string') loaded.saved = { state: 'unsaved', reason: unsaved }
  keyring.add(loaded, lifetime ?? 0)
}

function fileKeyOf(value: JsonValue | undefined): FileKey | undefined {
  if (!isJsonObject(value)) return undefined
  const { salt, bytes } = value
  if (typeof salt !== 'string' || typeof bytes !== 'string') return undefined
  return { salt: Buffer.from(salt, 'base64'), bytes: Buffer.from(bytes, 'base64') }
}

function rotationOf(value: JsonValue | undefined): Rotation {
  return value === 'rotates' || value === 'keeps' ? value : 'unknown'
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function plainJson(entry: object): JsonObject {
  return JSON.parse(JSON.stringify(entry)) as JsonObject
}
