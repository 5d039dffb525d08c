import { type Account, accountOf, changedAccount } from '../../protocol/storage/account.ts'
import type { FileKey } from '../../protocol/storage/account-file.ts'
import {
  tokenDigest,
  withoutFormerToken,
  withReplacedToken,
} from '../../protocol/storage/refresh-token-members.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import type { JsonObject, PasswordEntry } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { type CancelTimer, type Runtime, SingleFlight, startTimer } from '../concurrency.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import {
  type LoadedAccountRecord,
  type LoadedState,
  type Rotation,
  recordOf,
  type Saved,
  stateOf,
} from './loaded-account-record.ts'
import { isSameToken, type NewestToken, newestToken, type OtherTokens } from './newest-token.ts'
import { type IssuedToken, TokenCache } from './token-cache.ts'

/** How an account is to be used, as the request that loads it says. */
export interface LoadOptions {
  readonly fileKey?: Secret<FileKey> | undefined
  readonly passwordEntry?: Secret<PasswordEntry> | undefined
  readonly confirm?: boolean | undefined
  readonly alwaysAllowIdToken?: boolean | undefined
}

/** Pauses before a refresh token that could not be saved is saved again, milliseconds: from the first to the longest. */
const FIRST_SAVE_PAUSE_MS = 5_000
const LONGEST_SAVE_PAUSE_MS = 300_000

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
  #cancelSaving: CancelTimer | undefined
  #savePause = FIRST_SAVE_PAUSE_MS

  constructor(account: Account, options: LoadOptions = {}) {
    this.#state = {
      account,
      rotation: 'unknown',
      saved: { state: 'saved' },
      replaced: [],
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

  /** Whether the account came from a file that the agent has the key to, or may have a password of. */
  get hasFile(): boolean {
    const canOpen = this.fileKey !== undefined || this.passwordEntry !== undefined
    return canOpen && this.saved.state !== 'no-file'
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
      hasReplaced: (token: Secret) => replaced.includes(tokenDigest(token)),
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
    if (!this.holds(sent) && this.#state.replaced.at(-1) !== tokenDigest(sent)) return
    const { refreshToken, refreshTokenExpiresAt } = response
    this.#change({ loginExpired: false })
    if (this.holds(sent) && this.account.formerRefreshToken !== undefined) {
      this.#change({ account: withoutFormerToken(this.account), saved: this.#outdated() })
    }
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
    this.#rotated(sent, refreshToken, sent)
  }

  /**
   * The provider refused `refused`, which came with a failed refresh: returns to the refresh token before.
   * Returns false if there is none.
   */
  formerTokenRestored(refused: Secret): boolean {
    const { formerRefreshToken } = this.account
    if (formerRefreshToken === undefined || !this.holds(refused)) return false
    this.#rotated(refused, formerRefreshToken)
    return true
  }

  /**
   * A killed agent has left a version of the account that was to replace the one in its file: uses that from
   * now on. It is still to be saved.
   */
  leftoverFound(leftover: Account, inFile: Account): void {
    this.restored(leftover)
    const { refreshToken } = inFile
    const replaced = refreshToken === undefined ? [] : [tokenDigest(refreshToken)]
    this.#change({ rotation: 'rotates', replaced: [...this.#state.replaced, ...replaced] })
    this.#change({ saved: this.#outdated() })
  }

  #rotated(sent: Secret, refreshToken: Secret, formerRefreshToken?: Secret): void {
    const { account, replaced } = this.#state
    const before = account.refreshToken === undefined ? [] : [tokenDigest(account.refreshToken)]
    const others = [...replaced, ...before].filter((one) => one !== tokenDigest(sent))
    this.#change({
      rotation: 'rotates',
      account: withReplacedToken(account, { refreshToken, formerRefreshToken }),
      replaced: [...others, tokenDigest(sent)].slice(-MAX_REPLACED),
      saved: this.#outdated(),
    })
  }

  /** The account has changed since it was saved. */
  #outdated(): Saved {
    const { saved } = this.#state
    return saved.state === 'saved' ? { state: 'rotated' } : saved
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

  /**
   * Calls `save` after a pause, which grows from 5 s to 5 min, unless that is planned already or the refresh
   * token has been saved by then.
   */
  saveLater(runtime: Runtime, save: () => void): void {
    if (this.#isDisposed || this.#cancelSaving !== undefined) return
    this.#cancelSaving = startTimer(runtime, runtime.now() + this.#savePause, () => {
      this.#cancelSaving = undefined
      save()
    })
    this.#savePause = Math.min(2 * this.#savePause, LONGEST_SAVE_PAUSE_MS)
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
    this.#cancelSaving?.()
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
    if (this.#state.saved.state !== 'saved') return
    this.#cancelSaving?.()
    this.#cancelSaving = undefined
    this.#savePause = FIRST_SAVE_PAUSE_MS
  }
}
