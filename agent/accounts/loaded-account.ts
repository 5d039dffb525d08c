import { type Account, type AccountChange, changedAccount } from '../../protocol/storage/account.ts'
import type { FileKey } from '../../protocol/storage/account-file.ts'
import type { PasswordEntry } from '../../protocol/wire/messages.ts'
import { TokenCache } from './token-cache.ts'

/**
 * What is known of how the provider treats refresh tokens. Until the first answer an account is
 * treated as if they rotated: two parallel refreshes with one rotating token lose the login.
 */
export type Rotation = 'unknown' | 'rotates' | 'keeps'

/** Whether the refresh token the agent holds is also in the account file. */
export type Saved =
  | { readonly state: 'saved' }
  | { readonly state: 'unsaved'; readonly reason: string }

export interface LoadOptions {
  readonly fileKey?: FileKey | undefined
  readonly passwordEntry?: PasswordEntry | undefined
  readonly confirm?: boolean | undefined
  readonly alwaysAllowIdToken?: boolean | undefined
}

/**
 * An account in use: its current refresh token, its tokens, its file key. The object is the
 * account's generation: removing, locking or loading again makes a new one, so that a late answer
 * of the provider lands on an object nobody asks any more.
 */
export class LoadedAccount {
  readonly tokens = new TokenCache()
  rotation: Rotation = 'unknown'
  saved: Saved = { state: 'saved' }
  /** The issuer as its discovery document publishes it, once known. */
  publishedIssuer: string | undefined
  /** Set when the provider proved that the refresh token is no longer good. */
  loginExpired = false
  fileKey: FileKey | undefined
  passwordEntry: PasswordEntry | undefined
  confirm: boolean
  alwaysAllowIdToken: boolean
  #account: Account

  constructor(account: Account, options: LoadOptions = {}) {
    this.#account = account
    this.fileKey = options.fileKey
    this.passwordEntry = options.passwordEntry
    this.confirm = options.confirm ?? false
    this.alwaysAllowIdToken = options.alwaysAllowIdToken ?? false
  }

  get account(): Account {
    return this.#account
  }

  get name(): string {
    return this.#account.name
  }

  change(change: AccountChange): void {
    this.#account = changedAccount(this.#account, change)
  }

  /** Replaces the account data, as after another agent changed the file. */
  replace(account: Account): void {
    this.#account = account
    this.loginExpired = false
  }
}
