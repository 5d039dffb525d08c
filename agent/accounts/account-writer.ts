import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Account, accountOf, changedFields } from '../../protocol/storage/account.ts'
import { type AccountDirectory, isAccountName } from '../../protocol/storage/account-directory.ts'
import {
  type DeriveKey,
  type FileKey,
  openAccountFile,
  sealAccountFile,
  unlockAccountFile,
} from '../../protocol/storage/account-file.ts'
import { readRegularFile } from '../../protocol/storage/regular-file.ts'
import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import type { JsonObject, PasswordEntry } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { KeyedMutex, type Runtime } from '../concurrency.ts'
import { fileAnswer } from '../file-answers.ts'
import type { Log } from '../log.ts'
import type { LoadedAccount } from './loaded-account.ts'

/** Longest wait of a save for the lock of the account file, milliseconds. */
const SAVE_WAIT_MS = 20_000

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
      this.#locked(loaded, AbortSignal.timeout(SAVE_WAIT_MS), () => this.#save(loaded)),
    )
  }

  /**
   * Does `work`, which refreshes the account's token, while no other agent and no command changes its
   * file. Takes over a newer login of the file first; `work` saves with the function that it is given.
   * Without a file or a key to it there is nothing to lock.
   * @param signal ends the wait for the lock, not the work
   * @throws what `work` throws; AgentError `file-unwritable` if the wait ended
   */
  async refreshing<T>(
    loaded: LoadedAccount,
    signal: AbortSignal,
    work: (save: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    if (loaded.fileKey === undefined && loaded.passwordEntry === undefined) {
      return work(() => this.save(loaded))
    }
    return this.#locked(loaded, signal, async () => {
      // The file of an account that has just logged in has an older login, if it has one.
      if (loaded.saved.state !== 'no-file') {
        const inFile = await this.read(loaded)
        if (inFile !== undefined) this.#compare(loaded, inFile)
      }
      return work(() => this.#saveOrNote(loaded, () => this.#save(loaded)))
    })
  }

  async #saveOrNote(loaded: LoadedAccount, save: () => Promise<void>): Promise<void> {
    try {
      await save()
    } catch (error) {
      const reason = systemReason(error)
      loaded.saveFailed(reason)
      this.#log.warn(`the new refresh token of ${loaded.name} is kept in memory only: ${reason}`)
    }
  }

  /** Where a file system has no locks, goes on without, which is logged once. */
  async #locked<T>(
    { name }: LoadedAccount,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> {
    const directory = await this.#directory()
    if (directory === undefined || !isAccountName(name)) return work()
    return directory.locked(name, signal, (lock) => {
      if (lock.state === 'unavailable' && !this.#unlocked.has(name)) {
        this.#unlocked.add(name)
        this.#log.warn(`the account file of ${name} is used without a lock: ${lock.reason}`)
      }
      return work()
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

  async #save(loaded: LoadedAccount): Promise<void> {
    await this.#turns.run(loaded.name, () => this.#seal(loaded))
  }

  async #seal(loaded: LoadedAccount): Promise<void> {
    const directory = await this.#directory()
    if (directory === undefined || !(await directory.has(loaded.name))) {
      // The key came with a file. It is missing now, as when its directory is not mounted.
      if (loaded.hasFile) throw noFile(loaded.name, directory)
      loaded.fileMissing()
      return
    }
    const { fields, key } = await this.#open(await directory.read(loaded.name), loaded)
    if (this.#compare(loaded, accountOf(fields))) return
    const { account } = loaded
    await directory.write(loaded.name, await sealAccountFile(changedFields(fields, account), key))
    loaded.tokenSaved(account)
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

function noFile(name: string, directory: AccountDirectory | undefined): AgentError {
  const reason =
    directory === undefined
      ? 'the config directory is missing or cannot be opened'
      : `there is no account file ${name} in ${directory.path}`
  return new AgentError('file-not-found', reason)
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

const run = promisify(execFile)

/** A password command that takes longer has no keyring to ask, or waits for a user. */
const COMMAND_TIMEOUT_MS = 30_000
/** Bits of `pw_entry.type`, protocol.md §2.4. */
const MEMORY = 1
const COMMAND = 4
const FILE = 16

/**
 * The passwords of a `pw_entry`, in the C agent's order: memory, command, file. A source that fails is
 * left out. `now` in milliseconds since 1970.
 */
export async function* filePasswords(entry: PasswordEntry, now: number): AsyncGenerator<string> {
  if ((entry.type & MEMORY) !== 0 && entry.password !== undefined && !hasExpired(entry, now)) {
    yield entry.password
  }
  if ((entry.type & COMMAND) !== 0 && entry.command !== undefined) {
    const password = await outputOf(entry.command)
    if (password !== undefined) yield password
  }
  if ((entry.type & FILE) !== 0 && entry.pw_file !== undefined) {
    const password = await firstLineOf(entry.pw_file)
    if (password !== undefined) yield password
  }
}

function hasExpired(entry: PasswordEntry, now: number): boolean {
  return entry.expires_at !== undefined && entry.expires_at > 0 && entry.expires_at * 1000 <= now
}

async function outputOf(command: string): Promise<string | undefined> {
  try {
    // The command is the user's own, from oidc-add --pw-cmd: a shell command line by definition.
    const { stdout } = await run('/bin/sh', ['-c', command], { timeout: COMMAND_TIMEOUT_MS })
    return stdout.replace(/\r?\n$/, '')
  } catch {
    return undefined
  }
}

/** A password is its first line; a sanity bound. */
const MAX_PASSWORD_FILE_BYTES = 64 * 1024

async function firstLineOf(path: string): Promise<string | undefined> {
  try {
    const text = await fileAnswer(`password ${path}`, () =>
      readRegularFile(path, MAX_PASSWORD_FILE_BYTES),
    )
    return text.split(/\r?\n/, 1)[0]
  } catch {
    return undefined
  }
}
