import { setTimeout as delay } from 'node:timers/promises'
import { openAccountFile, sealAccountFile } from '../../protocol/account-file.ts'
import { AgentError, peerError } from '../../protocol/errors.ts'
import { type DeriveKey, newFileKey } from '../../protocol/file-key.ts'
import { Semaphore } from '../tokens/turns.ts'
import type { Runtime } from '../world.ts'
import { restoreAccounts, serializeAccounts } from './frozen-accounts.ts'
import type { Keyring } from './loaded-accounts.ts'

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
  readonly #accounts: Keyring
  readonly #derive: DeriveKey
  readonly #settled: () => Promise<void>
  readonly #runtime: Runtime
  // One attempt at a time: parallel guesses would share one delay.
  readonly #attempts = new Semaphore(1)
  #state: State = { state: 'open' }
  #failures = 0

  constructor(parts: {
    readonly accounts: Keyring
    readonly derive: DeriveKey
    /** Settles when no refresh is under way. */
    readonly settled: () => Promise<void>
    readonly runtime: Runtime
  }) {
    this.#accounts = parts.accounts
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
        serializeAccounts(this.#accounts, this.#runtime.now()),
        key,
      )
      this.#accounts.removeAll()
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
        restoreAccounts(serialized, this.#accounts, this.#runtime.now())
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
