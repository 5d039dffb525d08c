import { createHash } from 'node:crypto'
import { type Account, accountOf, changedAccount } from '../../protocol/storage/account.ts'
import type { FileKey } from '../../protocol/storage/account-file.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import type { JsonObject, PasswordEntry } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { SingleFlight } from '../concurrency.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import {
  type LoadedAccountRecord,
  type LoadedState,
  type Rotation,
  recordOf,
  type Saved,
  stateOf,
} from './loaded-account-record.ts'
import { type IssuedToken, TokenCache } from './token-cache.ts'

/** What the agent knows of the refresh token in its memory. */
export interface TokenInMemory {
  readonly token: Secret | undefined
  /** Whether the provider refused it for good. */
  readonly isDead: boolean
  /** Whether it is newer than the file's but could not be saved yet. */
  readonly isUnsaved: boolean
  /** Whether rotation replaced that token by this one. */
  readonly hasReplaced: (token: Secret) => boolean
}

/** Refresh tokens of the same account in other places; undefined if there is none or it is unknown. */
export interface OtherTokens {
  readonly file?: Secret | undefined
  /** In an `add` request: what its sender read from the file a moment ago. */
  readonly offered?: Secret | undefined
}

export type NewestToken = 'memory' | 'file' | 'offered'

/**
 * Which refresh token of an account is the newest: the file's, unless memory holds one that could not
 * be saved, or one that replaced the file's. The offered one stands for the file's if the agent cannot
 * open the file; if it is the one in memory, or an older one, client and agent know the same login. A
 * dead token is the newest only if there is no other.
 */
export function newestToken(memory: TokenInMemory, { file, offered }: OtherTokens): NewestToken {
  const isOther = (token: Secret | undefined): token is Secret =>
    token !== undefined && !isSameToken(token, memory.token)
  if (memory.isDead) {
    if (isOther(file)) return 'file'
    return isOther(offered) ? 'offered' : 'memory'
  }
  if (memory.isUnsaved) return 'memory'
  const isNewer = (token: Secret | undefined): boolean =>
    isOther(token) && !memory.hasReplaced(token)
  if (offered !== undefined && !isNewer(offered)) return 'memory'
  if (!isNewer(file ?? offered)) return 'memory'
  return file === undefined ? 'offered' : 'file'
}

/** Whether two refresh tokens are the same, or both absent. */
function isSameToken(one: Secret | undefined, other: Secret | undefined): boolean {
  return one?.reveal() === other?.reveal()
}

/** How an account is to be used, as the request that loads it says. */
export interface LoadOptions {
  readonly fileKey?: Secret<FileKey> | undefined
  readonly passwordEntry?: Secret<PasswordEntry> | undefined
  readonly confirm?: boolean | undefined
  readonly alwaysAllowIdToken?: boolean | undefined
}

/** Replaced refresh tokens that are remembered. A sanity bound: only the last few are ever met again. */
const MAX_REPLACED = 100

/**
 * An account in use: its login, its access tokens, the refreshes under way. Only its methods change it,
 * each for something that happened. Removing, locking or loading again makes a new object, so that a
 * late response of the provider changes an object that is no longer used.
 */
export class LoadedAccount {
  readonly tokens = new TokenCache()
  /** Refreshes under way, by requested token. */
  readonly flights = new SingleFlight<IssuedToken>()
  #state: LoadedState
  #isDisposed = false

  constructor(account: Account, options: LoadOptions = {}) {
    this.#state = {
      account,
      rotation: 'unknown',
      saved: { state: 'saved' },
      replaced: [],
      formerRefreshToken: undefined,
      publishedIssuer: undefined,
      loginExpired: false,
      fileKey: options.fileKey,
      passwordEntry: options.passwordEntry,
      confirm: options.confirm ?? false,
      alwaysAllowIdToken: options.alwaysAllowIdToken ?? false,
    }
  }

  /** The account of a login that has just succeeded: no file has its refresh token yet. */
  static ofLogin(account: Account, options: LoadOptions): LoadedAccount {
    const loaded = new LoadedAccount(account, options)
    loaded.fileMissing()
    return loaded
  }

  /** The account of a record of {@link toRecord}; undefined if it is not one. */
  static fromRecord(record: JsonObject): LoadedAccount | undefined {
    const fields = record['account']
    if (!isJsonObject(fields)) return undefined
    const loaded = new LoadedAccount(accountOf(fields))
    loaded.#state = stateOf(record, loaded.account)
    return loaded
  }

  /** Everything that must survive a lock. Access tokens are not in it: a refresh gives new ones. */
  toRecord(): LoadedAccountRecord {
    return recordOf(this.#state)
  }

  get account(): Account {
    return this.#state.account
  }

  get name(): string {
    return this.#state.account.name
  }

  get rotation(): Rotation {
    return this.#state.rotation
  }

  get saved(): Saved {
    return this.#state.saved
  }

  get publishedIssuer(): string | undefined {
    return this.#state.publishedIssuer
  }

  get loginExpired(): boolean {
    return this.#state.loginExpired
  }

  get fileKey(): Secret<FileKey> | undefined {
    return this.#state.fileKey
  }

  get passwordEntry(): Secret<PasswordEntry> | undefined {
    return this.#state.passwordEntry
  }

  get confirm(): boolean {
    return this.#state.confirm
  }

  get alwaysAllowIdToken(): boolean {
    return this.#state.alwaysAllowIdToken
  }

  /** Whether the refresh token in memory is newer than what the account file is known to have. */
  get needsSaving(): boolean {
    const { saved, replaced } = this.#state
    return saved.state === 'no-file' ? replaced.length > 0 : saved.state !== 'saved'
  }

  /** Whether the account came from a file that the agent has the key to. */
  get hasFile(): boolean {
    return this.fileKey !== undefined && this.saved.state !== 'no-file'
  }

  /** Whether the account was removed, locked or replaced: no refresh of it starts any more. */
  get isDisposed(): boolean {
    return this.#isDisposed
  }

  holds(refreshToken: Secret): boolean {
    return isSameToken(this.account.refreshToken, refreshToken)
  }

  /** Which refresh token is to be used from now on: see {@link newestToken}. */
  newest(others: OtherTokens, refused?: Secret): NewestToken {
    const { account, saved, replaced, loginExpired } = this.#state
    const memory = {
      token: account.refreshToken,
      isDead: loginExpired || (refused !== undefined && this.holds(refused)),
      isUnsaved: this.needsSaving && saved.state !== 'rotated',
      hasReplaced: (token: Secret) => replaced.includes(digest(token)),
    }
    return newestToken(memory, others)
  }

  issuerPublished(publishedIssuer: string): void {
    this.#change({ publishedIssuer })
  }

  /**
   * The provider accepted the refresh token `sent`, and may have replaced it. The response to a token
   * of an earlier login changes nothing; of several responses to one token the last one counts.
   */
  refreshSucceeded(
    sent: Secret,
    response: Pick<TokenResponse, 'refreshToken' | 'refreshTokenExpiresAt'>,
  ): void {
    if (!this.holds(sent) && this.#state.replaced.at(-1) !== digest(sent)) return
    const { refreshToken, refreshTokenExpiresAt } = response
    this.#change({ loginExpired: false })
    if (this.holds(sent)) this.#change({ formerRefreshToken: undefined })
    // In memory only: if each response moves the end, a write for each would be too much.
    if (refreshTokenExpiresAt !== undefined) {
      this.#change({ account: changedAccount(this.account, { refreshTokenExpiresAt }) })
    }
    if (refreshToken !== undefined && !isSameToken(refreshToken, sent))
      this.#rotated(sent, refreshToken)
    else if (this.rotation === 'unknown') this.#change({ rotation: 'keeps' })
  }

  /**
   * A refresh with `sent` has failed, but its response has a new refresh token, which may be the only valid
   * one from now on. The one that was sent is kept as well, as the response may be wrong in this too.
   */
  refreshTokenRecovered(sent: Secret, refreshToken: Secret): void {
    if (!this.holds(sent) || isSameToken(refreshToken, sent)) return
    this.#rotated(sent, refreshToken)
    this.#change({ formerRefreshToken: sent })
  }

  /**
   * The provider refused `refused`, which came with a failed refresh: returns to the refresh token before.
   * Returns false if there is none.
   */
  formerTokenRestored(refused: Secret): boolean {
    const { formerRefreshToken } = this.#state
    if (formerRefreshToken === undefined || !this.holds(refused)) return false
    this.#rotated(refused, formerRefreshToken)
    this.#change({ formerRefreshToken: undefined })
    return true
  }

  #rotated(sent: Secret, refreshToken: Secret): void {
    const { account, saved, replaced } = this.#state
    const before = account.refreshToken === undefined ? [] : [digest(account.refreshToken)]
    const others = [...replaced, ...before].filter((one) => one !== digest(sent))
    this.#change({
      rotation: 'rotates',
      account: changedAccount(account, { refreshToken }),
      replaced: [...others, digest(sent)].slice(-MAX_REPLACED),
      saved: saved.state === 'saved' ? { state: 'rotated' } : saved,
    })
  }

  /** The provider refused `refused` for good, and no newer refresh token was found. */
  loginEnded(refused: Secret): void {
    if (this.holds(refused)) this.#change({ loginExpired: true })
  }

  /** The account file now has the refresh token of `account`. */
  tokenSaved({ refreshToken }: Account): void {
    if (isSameToken(refreshToken, this.account.refreshToken))
      this.#change({ saved: { state: 'saved' } })
  }

  /** The refresh token could not be saved, for a reason that the user is shown. */
  saveFailed(reason: string): void {
    this.#change({ saved: { state: 'unsaved', reason } })
  }

  /** There is no account file to save the refresh token in. */
  fileMissing(): void {
    this.#change({ saved: { state: 'no-file' } })
  }

  /** The account file was opened with this key, which is kept to seal it again. */
  fileOpened(key: FileKey): void {
    this.#change({ fileKey: new Secret(key) })
  }

  /** The account file has a newer login, which is used from now on. */
  restored(account: Account): void {
    this.#change({ account, loginExpired: false, saved: { state: 'saved' } })
    this.#change({ formerRefreshToken: undefined })
  }

  /** The account was added again with the same login: takes over what the request says. */
  addedAgain(offered: Account, options: LoadOptions): void {
    this.#change(this.#with(options))
    const wasSaved = options.fileKey !== undefined && !this.needsSaving
    if (wasSaved) this.tokenSaved(offered)
  }

  /** The same account with a newer login, to take this one's place: options not given stay as they are. */
  successor(account: Account, options: LoadOptions): LoadedAccount {
    return new LoadedAccount(account, this.#with(options))
  }

  /**
   * Ends what the account does by itself, when it is removed, locked or replaced. Refreshes under way
   * go on, as a new refresh token must not be lost, but nothing more is cached or renewed.
   */
  dispose(): void {
    this.#isDisposed = true
    this.tokens.close()
  }

  #with(options: LoadOptions): Pick<LoadedState, keyof LoadOptions> {
    const { fileKey, passwordEntry, confirm, alwaysAllowIdToken } = this.#state
    return {
      fileKey: options.fileKey ?? fileKey,
      passwordEntry: options.passwordEntry ?? passwordEntry,
      confirm: options.confirm ?? confirm,
      alwaysAllowIdToken: options.alwaysAllowIdToken ?? alwaysAllowIdToken,
    }
  }

  #change(change: Partial<LoadedState>): void {
    this.#state = { ...this.#state, ...change }
  }
}

function digest(token: Secret): string {
  return createHash('sha256').update(token.reveal()).digest('base64')
}
