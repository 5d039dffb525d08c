import { type Account, accountOf } from '../../protocol/storage/account.ts'
import { type AccountDirectory, isAccountName } from '../../protocol/storage/account-directory.ts'
import {
  type DeriveKey,
  type FileKey,
  openAccountFile,
  sealAccountFile,
  unlockAccountFile,
} from '../../protocol/storage/account-file.ts'
import type { LockState } from '../../protocol/storage/file-lock.ts'
import type { Replacement } from '../../protocol/storage/files.ts'
import { fieldsForFile } from '../../protocol/storage/refresh-token-members.ts'
import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { KeyedMutex, type Runtime } from '../concurrency.ts'
import type { Log } from '../log.ts'
import { filePasswords } from './file-passwords.ts'
import type { LoadedAccount } from './loaded-account.ts'

/** Longest wait of a save for the lock of the account file, milliseconds. */
const SAVE_WAIT_MS = 20_000
/** Room for a new refresh token that is longer than the one before, bytes. */
const GROWTH_BYTES = 1024
const NO_DIRECTORY = 'the config directory is missing or cannot be opened'

/** An account's file while its token is refreshed. */
export interface FileInUse {
  /** Why a new refresh token could not be saved; undefined if nothing is known to be in the way. */
  readonly obstacle: string | undefined
  /** Saves the account's refresh token. Never throws: a failure is kept in the account. */
  readonly save: () => Promise<void>
}

/** A save that was made ready. */
interface Prepared {
  readonly obstacle?: string
  /** The file as it was then, with its version. */
  readonly seen?: OpenedFile & { readonly version: string }
  /** Until it is used. */
  replacement?: Replacement | undefined
}

interface OpenedFile {
  readonly fields: JsonObject
  readonly key: FileKey
}

/**
 * Keeps account files and loaded accounts in step. A refresh token that the provider replaced is sealed
 * into its file with the key that opened it, under a fresh nonce and the file's own salt: no password
 * is asked for, and other readers of the file go on as before.
 */
export class AccountWriter {
  readonly #directory: () => Promise<AccountDirectory | undefined>
  readonly #derive: DeriveKey
  readonly #runtime: Runtime
  readonly #log: Log
  // Two saves of one account at a time could leave the older token in the file.
  readonly #turns = new KeyedMutex(1)
  /** Why new refresh tokens could not be saved when that was last looked at, by account. */
  readonly #obstacles = new Map<string, string>()
  /** Accounts whose missing lock was logged. */
  readonly #unlocked = new Set<string>()

  constructor(parts: {
    /** Looked up at each use: oidc-gen may create the directory after the agent has started. */
    readonly directory: () => Promise<AccountDirectory | undefined>
    readonly derive: DeriveKey
    readonly runtime: Runtime
    readonly log: Log
  }) {
    this.#directory = parts.directory
    this.#derive = parts.derive
    this.#runtime = parts.runtime
    this.#log = parts.log
  }

  /**
   * Seals the account's refresh token into its file; if the file has a newer login, the account takes
   * that instead. Never throws: a failure is kept in `loaded.saved`, for the reply and for the next try.
   */
  async save(loaded: LoadedAccount): Promise<void> {
    await this.#saveOrNote(loaded, () =>
      this.#locked(loaded, AbortSignal.timeout(SAVE_WAIT_MS), (lock) => this.#save(loaded, lock)),
    )
  }

  /**
   * Does `work`, which refreshes the account's token, while no other agent and no command changes its
   * file. Takes over a newer login of the file first, and does all that can be done for the save before it:
   * a refresh token is lost if the agent is killed between the provider's response and the rename.
   * Without a file or a key to it there is nothing to lock.
   * @param signal ends the wait for the lock, not the work
   * @throws what `work` throws; AgentError `file-unwritable` if the wait ended
   */
  async refreshing<T>(
    loaded: LoadedAccount,
    signal: AbortSignal,
    work: (file: FileInUse) => Promise<T>,
  ): Promise<T> {
    if (loaded.fileKey === undefined && loaded.passwordEntry === undefined) {
      return work({ obstacle: undefined, save: () => this.save(loaded) })
    }
    return this.#locked(loaded, signal, async (lock) => {
      // The file of an account that has just logged in has an older login, if it has one.
      const prepared = loaded.hasFile ? await this.#prepare(loaded, lock) : undefined
      const save = (): Promise<void> =>
        this.#saveOrNote(loaded, () => this.#save(loaded, lock, prepared))
      try {
        return await work({ obstacle: prepared?.obstacle, save })
      } finally {
        await prepared?.replacement?.discard()
      }
    })
  }

  /** Plans the next save of an account whose refresh token could not be saved. */
  saveLater(loaded: LoadedAccount): void {
    if (loaded.saved.state !== 'unsaved') return
    loaded.saveLater(this.#runtime, () => {
      if (loaded.needsSaving) void this.save(loaded)
    })
  }

  /**
   * Brings account and file together, and makes the next save ready: libsodium is loaded, the text is sealed
   * once, and the temporary file has the space for it. So a full disk, a used up quota or a read-only
   * directory are known now.
   */
  async #prepare(loaded: LoadedAccount, lock: LockState): Promise<Prepared> {
    const { name } = loaded
    try {
      const directory = await this.#presentDirectory()
      const version = (await directory.version(name)) ?? ''
      const { fields, key } = await this.#open(await directory.read(name), loaded)
      const inFile = accountOf(fields)
      this.#compare(loaded, inFile)
      const isLocked = lock.state === 'held'
      const leftover = isLocked ? await directory.leftover(name, fields, key) : undefined
      const isUnused = inFile.refreshToken !== undefined && loaded.holds(inFile.refreshToken)
      if (leftover !== undefined && isUnused) {
        loaded.leftoverFound(accountOf(leftover), inFile)
        this.#log.warn(`took over the refresh token of ${name} from a save that was cut off`)
      }
      if (loaded.needsSaving) {
        await this.#saveOrNote(loaded, () => this.#save(loaded, lock))
        if (loaded.saved.state === 'unsaved') return { obstacle: loaded.saved.reason }
      }
      const text = await sealAccountFile(fieldsForFile(fields, loaded.account), key)
      const replacement = await directory.prepare(name, text + ' '.repeat(GROWTH_BYTES))
      this.#obstacles.delete(name)
      return { seen: { version, fields, key }, replacement }
    } catch (error) {
      const obstacle = systemReason(error)
      if (this.#obstacles.get(name) !== obstacle) {
        this.#log.warn(`a new refresh token of ${name} could not be saved now: ${obstacle}`)
      }
      this.#obstacles.set(name, obstacle)
      return { obstacle }
    }
  }

  async #saveOrNote(loaded: LoadedAccount, save: () => Promise<void>): Promise<void> {
    try {
      await save()
    } catch (error) {
      const reason = systemReason(error)
      const { saved } = loaded
      loaded.saveFailed(reason)
      this.saveLater(loaded)
      if (saved.state === 'unsaved' && saved.reason === reason) return
      this.#log.warn(`the new refresh token of ${loaded.name} is kept in memory only: ${reason}`)
    }
  }

  /** Where a file system has no locks, goes on without, which is logged once. */
  async #locked<T>(
    { name }: LoadedAccount,
    signal: AbortSignal,
    work: (lock: LockState) => Promise<T>,
  ): Promise<T> {
    const directory = await this.#directory()
    if (directory === undefined || !isAccountName(name)) {
      return work({ state: 'unavailable', reason: NO_DIRECTORY })
    }
    return directory.locked(name, signal, (lock) => {
      if (lock.state === 'unavailable' && !this.#unlocked.has(name)) {
        this.#unlocked.add(name)
        this.#log.warn(`the account file of ${name} is used without a lock: ${lock.reason}`)
      }
      return work(lock)
    })
  }

  /** The account as its file has it; undefined if the agent has no file or no key to it. */
  async read(loaded: LoadedAccount): Promise<Account | undefined> {
    try {
      const directory = await this.#directory()
      if (directory === undefined) return undefined
      return accountOf((await this.#open(await directory.read(loaded.name), loaded)).fields)
    } catch (error) {
      if (error instanceof AgentError) return undefined
      throw error
    }
  }

  /**
   * Whether the account has another refresh token to try after the provider refused `refused`: one that
   * a parallel refresh has brought, or one that another agent or tool has written into the file.
   */
  async findNewer(loaded: LoadedAccount, refused: Secret): Promise<boolean> {
    if (!loaded.holds(refused)) return true
    const inFile = await this.read(loaded)
    if (inFile !== undefined) this.#compare(loaded, inFile, refused)
    return !loaded.holds(refused)
  }

  async #save(loaded: LoadedAccount, lock: LockState, prepared?: Prepared): Promise<void> {
    await this.#turns.run(loaded.name, () => this.#seal(loaded, lock, prepared))
  }

  async #seal(loaded: LoadedAccount, lock: LockState, prepared?: Prepared): Promise<void> {
    const { name } = loaded
    if (!loaded.hasFile && !((await (await this.#directory())?.has(name)) ?? false)) {
      loaded.fileMissing()
      return
    }
    // Otherwise the key came with a file: if it is missing now, its directory may not be mounted.
    const directory = await this.#presentDirectory()
    const { fields, key } = await this.#presentFile(directory, loaded, prepared)
    if (this.#compare(loaded, accountOf(fields))) return
    const { account } = loaded
    const text = await sealAccountFile(fieldsForFile(fields, account), key)
    await replaceAccountFile(directory, { name, text, lock }, prepared)
    loaded.tokenSaved(account)
  }

  /** Other tools take no lock: the file may have changed since the save was made ready. */
  async #presentFile(
    directory: AccountDirectory,
    loaded: LoadedAccount,
    prepared?: Prepared,
  ): Promise<OpenedFile> {
    const { name } = loaded
    const seen = prepared?.seen
    if (seen !== undefined && seen.version === (await directory.version(name))) return seen
    return this.#open(await directory.read(name), loaded)
  }

  async #presentDirectory(): Promise<AccountDirectory> {
    const directory = await this.#directory()
    if (directory === undefined) throw new AgentError('file-not-found', NO_DIRECTORY)
    return directory
  }

  /** Whether the file's refresh token is the newest; the account has taken it then. */
  #compare(loaded: LoadedAccount, inFile: Account, refused?: Secret): boolean {
    if (loaded.newest({ file: inFile.refreshToken }, refused) !== 'file') return false
    loaded.restored(inFile)
    this.#log.debug(`the account file of ${loaded.name} has a newer login, which is used now`)
    return true
  }

  /** Opens the file with the held key, else with a password of the password entry; keeps the key that opened it. */
  async #open(text: string, loaded: LoadedAccount): Promise<OpenedFile> {
    const held = loaded.fileKey?.reveal()
    if (held !== undefined) {
      const fields = await unlessWrongPassword(openAccountFile(text, held))
      if (fields !== undefined) return { fields, key: held }
    }
    const entry = loaded.passwordEntry?.reveal()
    if (entry !== undefined) {
      for await (const password of filePasswords(entry, this.#runtime.now())) {
        const opened = await unlessWrongPassword(unlockAccountFile(text, password, this.#derive))
        if (opened === undefined) continue
        loaded.fileOpened(opened.key)
        return opened
      }
    }
    throw new AgentError(
      'file-unwritable',
      `the agent has no key to the account file of ${loaded.name}`,
    )
  }
}

/** Replaces an account's file, with the prepared replacement if there is one. @throws AgentError `file-unwritable` */
async function replaceAccountFile(
  directory: AccountDirectory,
  { name, text, lock }: { readonly name: string; readonly text: string; readonly lock: LockState },
  prepared: Prepared = {},
): Promise<void> {
  const ready = prepared.replacement
  prepared.replacement = undefined
  const replacement = ready ?? (await directory.prepare(name))
  await replacement.write(text)
  try {
    await replacement.commit()
  } catch (error) {
    // It may be the only copy of the refresh token: left to be found, in place of older ones.
    if (lock.state === 'held') await directory.removeLeftovers(name, replacement.path)
    throw error
  }
  // With a prepared one they were removed a moment ago.
  if (lock.state === 'held' && ready === undefined) await directory.removeLeftovers(name)
}

/** The result of `opening`; undefined if the key or password is not the file's. */
async function unlessWrongPassword<T>(opening: Promise<T>): Promise<T | undefined> {
  try {
    return await opening
  } catch (error) {
    if (error instanceof AgentError && error.code === 'wrong-password') return undefined
    throw error
  }
}
