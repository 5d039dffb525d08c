import { constants, type FileHandle, lstat, open, readdir, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AgentError, systemCode, unwritable } from '../../protocol/wire/errors.ts'
import { isTokenText, MAX_TOKEN_FILE_BYTES } from './token-line.ts'

const STICKY = 0o1000
const WRITABLE_BY_OTHERS = 0o022

/** Tells one file from another of the same name, also where the inode is used again. */
export type FileIdentity = string

/** A token file that is there. */
export interface ExistingFile {
  readonly identity: FileIdentity
  readonly size: number
}

/** The directory of a token file, held open: what was checked is what is written to. */
export interface DirectoryHandle {
  /** As the person knows it. */
  readonly path: string
  /** A path of that name in the directory that was opened, whatever its own path leads to by now. */
  at(name: string): string
  /** Makes a rename in it outlast a crash of the machine. */
  sync(): Promise<void>
}

/**
 * Does `work` in the directory of `path`.
 * @throws AgentError `file-unwritable` where it is missing or another user could write in it
 */
export async function withDirectory<T>(
  path: string,
  uid: number,
  work: (directory: DirectoryHandle) => Promise<T>,
): Promise<T> {
  const directory = dirname(path)
  let handle: FileHandle
  try {
    handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    throw unwritable(path, error)
  }
  try {
    const { uid: owner, mode } = await handle.stat()
    if (owner !== uid && owner !== 0) {
      throw refused(path, `its directory belongs to another user (uid ${owner})`)
    }
    if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
      throw refused(path, 'other users can write in its directory', `chmod go-w '${directory}'`)
    }
    const base = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : directory
    return await work({
      path,
      at: (name) => join(base, name),
      // Some file systems (AFS, FUSE) cannot sync a directory.
      sync: () => handle.sync().catch(() => undefined),
    })
  } finally {
    await handle.close()
  }
}

/**
 * The token file that is there now.
 * @throws AgentError `file-unwritable` where something else is: a link, a directory, a FIFO, another
 *   user's file, or a file that holds something other than a token
 */
export async function existingTokenFile(
  directory: DirectoryHandle,
  uid: number,
): Promise<ExistingFile | undefined> {
  const { path } = directory
  const found = await entryOf(directory)
  if (found === undefined) return undefined
  if (found.isSymbolicLink()) throw refused(path, 'it is a symbolic link')
  if (!found.isFile()) throw refused(path, 'it is not a regular file')
  if (found.uid !== BigInt(uid)) {
    throw refused(path, `it belongs to another user (uid ${String(found.uid)})`)
  }
  const size = Number(found.size)
  if (size > MAX_TOKEN_FILE_BYTES || !isTokenText(await contentOf(directory))) {
    throw refused(path, 'what it holds is not a token', 'Choose another file, or remove that one.')
  }
  return { identity: identityOf(found), size }
}

/** Removes the token file, if it is still the one of that identity; any of ours where none is given. */
export async function removeExisting(
  directory: DirectoryHandle,
  uid: number,
  identity: FileIdentity | undefined,
): Promise<void> {
  const found = await entryOf(directory)
  if (found?.isFile() !== true || found.uid !== BigInt(uid)) return
  if (identity !== undefined && identityOf(found) !== identity) return
  await unlink(directory.at(basename(directory.path)))
  await directory.sync()
}

/** The names of temporary files of this token file, with the pid of their writer. */
export async function temporaryFiles(
  directory: DirectoryHandle,
): Promise<readonly { readonly name: string; readonly pid: number }[]> {
  const start = `.${basename(directory.path)}.`
  return (await readdir(directory.at('.'))).flatMap((name) => {
    const [, pid] =
      /^(\d+)\.\d+\.tmp$/.exec(name.startsWith(start) ? name.slice(start.length) : '') ?? []
    return pid === undefined ? [] : [{ name, pid: Number(pid) }]
  })
}

export function temporaryName(path: string, pid: number, count: number): string {
  return `.${basename(path)}.${pid}.${count}.tmp`
}

export function identityOf(found: {
  readonly dev: bigint
  readonly ino: bigint
  readonly mtimeNs: bigint
}): FileIdentity {
  return [found.dev, found.ino, found.mtimeNs].join(':')
}

type Entry = Awaited<ReturnType<typeof lookAt>>

async function entryOf(directory: DirectoryHandle): Promise<Entry | undefined> {
  try {
    return await lookAt(directory.at(basename(directory.path)))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw unwritable(directory.path, error)
  }
}

function lookAt(path: string) {
  return lstat(path, { bigint: true })
}

async function contentOf(directory: DirectoryHandle): Promise<string> {
  // Not blocking: by now it could be a FIFO.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    const file = await open(directory.at(basename(directory.path)), flags)
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MAX_TOKEN_FILE_BYTES) })
      return buffer.toString('latin1', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw unwritable(directory.path, error)
  }
}

function refused(path: string, why: string, hint?: string): AgentError {
  return new AgentError('file-unwritable', `no token is written to ${path}: ${why}`, { hint })
}
