import { constants, type FileHandle, open, readdir, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { getuid } from 'node:process'
import { AgentError, systemCode, unreadable, unwritable } from '../wire/errors.ts'
import type { JsonObject } from '../wire/messages.ts'
import { accountOf } from './account.ts'
import { type FileKey, openAccountFile } from './account-file.ts'
import { type LockState, withFileLock } from './file-lock.ts'
import { type FileStatus, FileTrust } from './file-trust.ts'
import { leftoversOf, prepareReplacement, type Replacement, replaceFile } from './files.ts'
import { supersedes } from './refresh-token-members.ts'

/** Largest account file read. A sanity bound: real ones have a few kilobytes. */
const MAX_FILE_BYTES = 1 << 20

/** Longest file name that Linux takes. */
const MAX_NAME_BYTES = 255

/** Names that are something else in a config directory (protocol.md §3.1). */
const reserved = /^config$|\.(?:config|log|stats|clientconfig\d*)$/

/** The account files of a config directory; a file's name is the account's short name. */
export class AccountDirectory {
  readonly path: string
  readonly #trust: FileTrust
  readonly #warn: (line: string) => void
  readonly #warned = new Set<string>()

  constructor(
    path: string,
    options: {
      /** Whose files these are; by default the process's own user. */
      readonly uid?: number
      /** Reports, once, a file that others can read. */
      readonly warn?: (line: string) => void
    } = {},
  ) {
    this.path = path
    this.#trust = new FileTrust({ uid: options.uid ?? getuid?.() ?? 0, groups: 'private' })
    this.#warn = options.warn ?? (() => undefined)
  }

  /** Names of the accounts, sorted by their characters' codes. */
  async list(): Promise<readonly string[]> {
    try {
      const names = (await readdir(this.path)).filter(isAccountName).sort()
      const regular = await Promise.all(names.map((name) => isRegular(join(this.path, name))))
      return names.filter((_, index) => regular[index])
    } catch (error) {
      throw unreadable(this.path, error)
    }
  }

  /** Whether there is such an account; a name that none can have is that of no account. */
  async has(name: string): Promise<boolean> {
    if (!isAccountName(name)) return false
    try {
      return await isRegular(join(this.path, name))
    } catch (error) {
      throw unreadable(join(this.path, name), error)
    }
  }

  /**
   * The text of an account's file.
   * @throws AgentError `file-not-found`, or `file-unreadable` also for files that are not regular or
   *   belong to another user, who could choose the provider that gets our secrets
   */
  async read(name: string): Promise<string> {
    const path = this.#pathOf(name)
    try {
      // Not to block on a pipe of that name.
      const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
      try {
        return await this.#text(file, path)
      } finally {
        await file.close()
      }
    } catch (error) {
      throw error instanceof AgentError ? error : notRead(path, error)
    }
  }

  /**
   * Tells one version of an account's file from another without reading it; undefined if there is no file
   * to be seen.
   */
  async version(name: string): Promise<string | undefined> {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(this.#pathOf(name), { bigint: true })
      return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
    } catch {
      return undefined
    }
  }

  /**
   * Replaces or makes an account's file, mode 0600, atomically.
   * @throws AgentError `file-unwritable`
   */
  async write(name: string, text: string): Promise<void> {
    await replaceFile(this.#pathOf(name), text)
  }

  /**
   * Does `work` while no other process of ours works on the account's file: see {@link withAccountLock}.
   * @throws what `work` throws; AgentError `bad-request` for a name that no account can have
   */
  locked<T>(name: string, signal: AbortSignal, work: (lock: LockState) => Promise<T>): Promise<T> {
    return withAccountLock(this.#pathOf(name), signal, work)
  }

  /**
   * Opens the next version of an account's file: see {@link prepareReplacement}.
   * @throws AgentError `file-unwritable`
   */
  prepare(name: string, reserve?: string): Promise<Replacement> {
    return prepareReplacement(this.#pathOf(name), reserve)
  }

  /**
   * The JSON of an account as a killed writer has left it beside the file, which has the JSON `inFile`;
   * undefined if nothing newer is there. What is older or cannot be opened is removed. Only for the
   * holder of the file's lock.
   */
  async leftover(name: string, inFile: JsonObject, key: FileKey): Promise<JsonObject | undefined> {
    const paths = await this.#leftovers(name)
    let newest: { readonly path: string; readonly fields: JsonObject } | undefined
    for (const path of paths) {
      const fields = await openedLeftover(path, key)
      if (fields === undefined || !supersedes(fields, inFile)) continue
      if (newest === undefined || counterOf(fields) > counterOf(newest.fields))
        newest = { path, fields }
    }
    await removeAll(paths.filter((path) => path !== newest?.path))
    return newest?.fields
  }

  /**
   * Removes what killed writers of an account's file have left, except the file `keep`. Only for the holder
   * of the file's lock, when a newer version is safe. Never throws.
   */
  async removeLeftovers(name: string, keep?: string): Promise<void> {
    await removeAll((await this.#leftovers(name)).filter((path) => path !== keep))
  }

  /** None where the directory cannot be listed. */
  #leftovers(name: string): Promise<readonly string[]> {
    return leftoversOf(this.#pathOf(name)).catch(() => [])
  }

  /** Removes an account's file and its left-overs. @throws AgentError `file-not-found` or `file-unwritable` */
  async remove(name: string): Promise<void> {
    const path = this.#pathOf(name)
    const leftovers = await this.#leftovers(name)
    try {
      await unlink(path)
    } catch (error) {
      throw systemCode(error) === 'ENOENT' ? unreadable(path, error) : unwritable(path, error)
    }
    await removeAll(leftovers)
  }

  #pathOf(name: string): string {
    checkAccountName(name)
    return join(this.path, name)
  }

  async #text(file: FileHandle, path: string): Promise<string> {
    const stats = await file.stat()
    if (!stats.isFile()) throw refused(path, 'it is no regular file')
    const fault = this.#trust.ownerFault(path, stats)
    if (fault !== undefined) throw refused(path, fault.reason)
    if (stats.size > MAX_FILE_BYTES)
      throw refused(path, `it is larger than ${MAX_FILE_BYTES} bytes`)
    this.#warnIfExposed(path, stats)
    return file.readFile('utf8')
  }

  #warnIfExposed(path: string, stats: FileStatus): void {
    const exposure = this.#warned.has(path) ? undefined : this.#trust.exposure(path, stats)
    if (exposure === undefined) return
    this.#warned.add(path)
    this.#warn(exposure)
  }
}

function counterOf(fields: JsonObject): number {
  return accountOf(fields).refreshTokenCounter
}

async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true }).catch(() => undefined)
}

/** Undefined: not readable, not complete, or sealed with another key. */
async function openedLeftover(path: string, key: FileKey): Promise<JsonObject | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    try {
      if ((await file.stat()).size > MAX_FILE_BYTES) return undefined
      const fields = await openAccountFile((await file.readFile('utf8')).trimEnd(), key)
      accountOf(fields)
      return fields
    } finally {
      await file.close()
    }
  } catch {
    return undefined
  }
}

/** Longest wait of a command for an account file, milliseconds: longer than a refresh, and than a stale lock lives. */
const COMMAND_WAIT_MS = 90_000

/** The signal of a command that waits for the lock of an account file. */
export function commandWait(): AbortSignal {
  return AbortSignal.timeout(COMMAND_WAIT_MS)
}

/**
 * Does `work` while no other agent or command of ours works on the account file at `path`. Every program
 * that writes an account file holds this lock from its last look at the file to the rename: an older
 * refresh token must not replace a newer one.
 * @param signal ends the wait for the lock, not the work
 * @throws what `work` throws; AgentError `file-unwritable` if the wait ended
 */
export async function withAccountLock<T>(
  path: string,
  signal: AbortSignal,
  work: (lock: LockState) => Promise<T>,
): Promise<T> {
  const progress = { hasBegun: false }
  try {
    return await withFileLock(path, signal, (lock) => {
      progress.hasBegun = true
      return work(lock)
    })
  } catch (error) {
    if (progress.hasBegun || !signal.aborted) throw error
    throw new AgentError('file-unwritable', `another process is using ${path}`, {
      hint: 'Try again when it has finished.',
      cause: error,
    })
  }
}

/**
 * Refuses a name that no account can have: it would be another file, or never be listed.
 * @throws AgentError `bad-request`
 */
export function checkAccountName(name: string): void {
  const fault = faultOf(name)
  if (fault === undefined) return
  throw new AgentError('bad-request', `an account's short name ${fault}`)
}

/** Whether an account can have this name. */
export function isAccountName(name: string): boolean {
  return faultOf(name) === undefined
}

function faultOf(name: string): string | undefined {
  if (name === '') return 'must not be empty'
  if (/[/\p{Cc}]/u.test(name)) return 'must not contain slashes or control characters'
  if (name.startsWith('.')) return 'must not begin with a dot'
  if (reserved.test(name)) return `must not look like a file of oidc-agent's own: ${name}`
  return Buffer.byteLength(name) > MAX_NAME_BYTES
    ? `is longer than ${MAX_NAME_BYTES} bytes`
    : undefined
}

async function isRegular(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    // ENOTDIR: the directory itself is none.
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw error
  }
}

function notRead(path: string, error: unknown): AgentError {
  const { code, message } = unreadable(path, error)
  const hint = code === 'file-not-found' ? 'What there is shows: oidc-add -l' : undefined
  return new AgentError(code, message, { hint, cause: error })
}

function refused(path: string, reason: string): AgentError {
  return new AgentError('file-unreadable', `will not read ${path}: ${reason}`)
}
