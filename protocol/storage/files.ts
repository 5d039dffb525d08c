import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, statSync } from 'node:fs'
import { constants, type FileHandle, open, readdir, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AgentError, systemCode, unwritable } from '../wire/errors.ts'

const GROUP_OR_OTHERS = 0o077
/** Longest part of a file's name that is repeated in the names of its temporary and lock files, bytes. */
const MAX_REPEATED_NAME_BYTES = 200

/**
 * Writes a whole file, mode 0600: after a crash or on a full disk the file has the old text or the new
 * one, never half of one. A symbolic link stays a link: the file that it points to is replaced.
 * @throws AgentError `file-unwritable`; the file has its old text then
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const replacement = await prepareReplacement(path)
  await replacement.write(text)
  try {
    await replacement.commit()
  } catch (error) {
    await replacement.discard()
    throw error
  }
}

/** The next version of a file, in a temporary file beside it. */
export interface Replacement {
  /** Of the temporary file. */
  readonly path: string
  /**
   * Writes the new text and makes it outlast a crash.
   * @throws AgentError `file-unwritable`; the temporary file is removed then
   */
  write(text: string): Promise<void>
  /**
   * Puts the new text in place of the file, in one step.
   * @throws AgentError `file-unwritable`; the temporary file stays then, as it may hold the only copy of
   *   a new refresh token: {@link leftoversOf} finds it.
   */
  commit(): Promise<void>
  /** Removes the temporary file. Never throws. */
  discard(): Promise<void>
}

/**
 * Opens a temporary file beside `path` and the directory, so that a full disk, a used up quota and a
 * read-only file system are known before anything is spent for the new text.
 * @param reserve a text as long as the new one will be: its space is taken now
 * @throws AgentError `file-unwritable`
 */
export async function prepareReplacement(path: string, reserve = ''): Promise<Replacement> {
  try {
    const target = await finalTarget(path)
    const temporary = `${besidePath(target)}.${randomBytes(8).toString('hex')}.tmp`
    const directory = await openDirectory(dirname(target))
    try {
      const file = await createPrivate(temporary)
      const replacement = new OpenReplacement(path, { target, temporary, directory, file })
      if (reserve !== '') await replacement.reserve(reserve)
      return replacement
    } catch (error) {
      await directory?.close()
      throw error
    }
  } catch (error) {
    throw asUnwritable(path, error)
  }
}

class OpenReplacement implements Replacement {
  readonly path: string
  readonly #finalPath: string
  readonly #target: string
  readonly #directory: FileHandle | undefined
  readonly #file: FileHandle
  #reservedBytes = 0

  constructor(
    finalPath: string,
    parts: {
      readonly target: string
      readonly temporary: string
      readonly directory: FileHandle | undefined
      readonly file: FileHandle
    },
  ) {
    this.path = parts.temporary
    this.#finalPath = finalPath
    this.#target = parts.target
    this.#directory = parts.directory
    this.#file = parts.file
  }

  async reserve(text: string): Promise<void> {
    await this.write(text)
    this.#reservedBytes = Buffer.byteLength(text)
  }

  async write(text: string): Promise<void> {
    try {
      const bytes = Buffer.from(text)
      // Over what was reserved: truncated first, the space could be taken by another file. With spaces over
      // the rest, so that a process that is killed before the truncation leaves a text that can be read.
      const padded = Buffer.alloc(Math.max(bytes.length, this.#reservedBytes), ' ')
      bytes.copy(padded)
      await writeAll(this.#file, padded)
      if (padded.length > bytes.length) await this.#file.truncate(bytes.length)
      await syncIfPossible(this.#file)
    } catch (error) {
      await this.discard()
      throw asUnwritable(this.#finalPath, error)
    }
  }

  async commit(): Promise<void> {
    try {
      await rename(this.path, this.#target)
    } catch (error) {
      throw asUnwritable(this.#finalPath, error)
    } finally {
      await this.#file.close()
      // Makes the rename outlast a crash of the machine, where the file system can.
      await this.#directory?.sync().catch(() => undefined)
      await this.#directory?.close()
    }
  }

  async discard(): Promise<void> {
    await rm(this.path, { force: true }).catch(() => undefined)
    await this.#file.close().catch(() => undefined)
    await this.#directory?.close().catch(() => undefined)
  }
}

/**
 * The temporary files that writers of `path` have left, as a process does that is killed before its
 * rename. Only the holder of the file's lock may read or remove them: without it a writer could be
 * using them.
 */
export async function leftoversOf(path: string): Promise<readonly string[]> {
  const target = await finalTarget(path)
  const start = `${basename(besidePath(target))}.`
  const names = await readdir(dirname(target))
  return names
    .filter(
      (name) => name.startsWith(start) && /^[0-9a-f]{16}\.tmp$/.test(name.slice(start.length)),
    )
    .map((name) => join(dirname(target), name))
}

/**
 * The beginning of the names of files that belong to `path`: in the same directory, and with a dot, so
 * that the C tools do not list them as accounts.
 */
export function besidePath(path: string): string {
  const name = basename(path)
  const part =
    Buffer.byteLength(name) <= MAX_REPEATED_NAME_BYTES
      ? name
      : createHash('sha256').update(name).digest('hex').slice(0, 32)
  return join(dirname(path), `.${part}`)
}

/** The file that a chain of symbolic links leads to; `path` itself if that does not exist yet. */
export async function finalTarget(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return path
    throw error
  }
}

/**
 * Makes a new file that only its owner may use. The umask may have taken bits from the mode; CIFS and
 * some FUSE file systems refuse to set it, which is good enough if no other user has a bit.
 * @throws AgentError `file-unwritable` where others could read the file; it is removed then
 */
export async function createPrivate(path: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(path, flags, 0o600)
  try {
    await file.chmod(0o600).catch(() => undefined)
    const { mode } = await file.stat()
    if ((mode & GROUP_OR_OTHERS) === 0) return file
    const shown = (mode & 0o777).toString(8).padStart(4, '0')
    throw new AgentError(
      'file-unwritable',
      `cannot write ${path}: its file system gives new files the mode ${shown}, which lets other users read them`,
      { hint: 'Choose a config directory on another file system with OIDC_CONFIG_DIR.' },
    )
  } catch (error) {
    await file.close()
    await rm(path, { force: true })
    throw error
  }
}

/** Undefined where we may write in the directory, but not list it: then the rename is not made durable. */
async function openDirectory(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    if (systemCode(error) === 'EACCES') return undefined
    throw error
  }
}

/** The write of a limited file size, or of a disk that fills up, may be shorter than asked for. */
async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    done += (await file.write(bytes, done, bytes.length - done, done)).bytesWritten
  }
}

/** CIFS, FUSE and some network file systems have no fsync; the others must be able to. */
const noSync: readonly string[] = ['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']

async function syncIfPossible(file: FileHandle): Promise<void> {
  try {
    await file.sync()
  } catch (error) {
    if (!noSync.includes(systemCode(error) ?? '')) throw error
  }
}

function asUnwritable(path: string, error: unknown): AgentError {
  return error instanceof AgentError ? error : unwritable(path, error)
}

/**
 * Makes a directory and those above it that are missing, 0700, and gives back the topmost that was
 * made, as `mkdirSync` does with `recursive`. That one tries for ever where the system says of an
 * existing parent that there is no such file, as in /proc.
 */
export function makeDirectories(path: string): string | undefined {
  if (isDirectory(path)) return undefined
  const parent = dirname(path)
  const first = parent === path ? undefined : makeDirectories(parent)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process may have made it in between.
    if (!isDirectory(path)) throw error
  }
  return first ?? path
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
