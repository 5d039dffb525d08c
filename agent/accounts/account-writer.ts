import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Account, accountOf, changedFields } from '../../protocol/storage/account.ts'
import type { AccountDirectory } from '../../protocol/storage/account-directory.ts'
import {
  type DeriveKey,
  type FileKey,
  openAccountFile,
  sealAccountFile,
  unlockAccountFile,
} from '../../protocol/storage/account-file.ts'
import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import type { JsonObject, PasswordEntry } from '../../protocol/wire/messages.ts'
import { KeyedMutex } from '../concurrency.ts'
import type { Log } from '../log.ts'
import type { Runtime } from '../runtime.ts'
import type { LoadedAccount } from './loaded-account.ts'

interface OpenedFile {
  readonly fields: JsonObject
  readonly key: FileKey
}

/**
 * Keeps account files in step with the refresh tokens the agent holds. A rotated token is sealed
 * into its file with the key that loaded it, under a fresh nonce and the file's own salt, so no
 * password is asked and other readers of the file go on as before.
 */
export class AccountWriter {
  readonly #directory: () => AccountDirectory | undefined
  readonly #derive: DeriveKey
  readonly #runtime: Runtime
  readonly #log: Log
  // Two saves of one account at a time could leave the older token in the file.
  readonly #turns = new KeyedMutex(1)

  constructor(parts: {
    /** Looked up at each use: oidc-gen may make the directory after the agent started. */
    readonly directory: () => AccountDirectory | undefined
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
   * Seals the account's refresh token into its file. Never throws: what fails is kept in
   * `loaded.saved`, for the reply and for the next try. An account without a file has nothing to save.
   */
  async save(loaded: LoadedAccount): Promise<void> {
    await this.#turns.run(loaded.name, async () => {
      try {
        await this.#save(loaded)
        loaded.saved = { state: 'saved' }
      } catch (error) {
        const reason = systemReason(error)
        loaded.saved = { state: 'unsaved', reason }
        this.#log.warn(`the new refresh token of ${loaded.name} is kept in memory only: ${reason}`)
      }
    })
  }

  /**
   * The account as its file has it now, where another agent or tool has written another refresh
   * token there; undefined where it has not, or where the file cannot be opened without asking.
   */
  async changedOnDisk(loaded: LoadedAccount): Promise<Account | undefined> {
    const directory = this.#directory()
    if (directory === undefined) return undefined
    try {
      const { fields } = await this.#open(await directory.read(loaded.name), loaded)
      const account = accountOf(fields)
      const differs = account.refreshToken?.reveal() !== loaded.account.refreshToken?.reveal()
      return differs && account.refreshToken !== undefined ? account : undefined
    } catch (error) {
      if (error instanceof AgentError) return undefined
      throw error
    }
  }

  async #save(loaded: LoadedAccount): Promise<void> {
    const directory = this.#directory()
    if (directory === undefined || !(await directory.has(loaded.name))) return
    const { fields, key } = await this.#open(await directory.read(loaded.name), loaded)
    const changed = changedFields(fields, loaded.account)
    await directory.write(loaded.name, await sealAccountFile(changed, key))
  }

  /** Opens the file with the held key, else with what the password entry gives; remembers the key that did it. */
  async #open(text: string, loaded: LoadedAccount): Promise<OpenedFile> {
    if (loaded.fileKey !== undefined) {
      const fields = await unlessWrongPassword(openAccountFile(text, loaded.fileKey))
      if (fields !== undefined) return { fields, key: loaded.fileKey }
    }
    if (loaded.passwordEntry !== undefined) {
      for await (const password of filePasswords(loaded.passwordEntry, this.#runtime.now())) {
        const opened = await unlessWrongPassword(unlockAccountFile(text, password, this.#derive))
        if (opened === undefined) continue
        loaded.fileKey = opened.key
        return opened
      }
    }
    throw new AgentError(
      'file-unwritable',
      `the agent has no key to the account file of ${loaded.name}`,
    )
  }
}

/** What `opening` gives; undefined where the key or password is not the file's. */
async function unlessWrongPassword<T>(opening: Promise<T>): Promise<T | undefined> {
  try {
    return await opening
  } catch (error) {
    if (error instanceof AgentError && error.code === 'wrong-password') return undefined
    throw error
  }
}

const run = promisify(execFile)

/** A password command that takes longer has lost its keyring or waits for a person. */
const COMMAND_TIMEOUT_MS = 30_000
/** Bits of `pw_entry.type`, protocol.md §2.4. */
const MEMORY = 1
const COMMAND = 4
const FILE = 16

/**
 * The passwords a `pw_entry` gives, in the C agent's order: memory, command, file. A source that
 * fails gives none. `now` in milliseconds since 1970.
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
    // The command is the user's own, given to oidc-add --pw-cmd: a shell line by definition.
    const { stdout } = await run('/bin/sh', ['-c', command], { timeout: COMMAND_TIMEOUT_MS })
    return stdout.replace(/\r?\n$/, '')
  } catch {
    return undefined
  }
}

async function firstLineOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).split(/\r?\n/, 1)[0]
  } catch {
    return undefined
  }
}
