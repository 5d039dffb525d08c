import { constants, type FileHandle, lstat, open, readdir, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FileTrust } from '../../protocol/storage/file-trust.ts'
import { isTokenText, MAX_TOKEN_FILE_BYTES } from '../../protocol/storage/token-line.ts'
import { AgentError, systemCode, unwritable } from '../../protocol/wire/errors.ts'

/** Identifies a file among others of the same name, also if the inode is used again. */
export type FileIdentity = string

/** A token file that exists. */
export interface ExistingFile {
  readonly identity: FileIdentity
  readonly size: number
}

/** The directory of a token file, held open: the directory that was checked is the one written to. */
export interface DirectoryHandle {
  /** The path of the token file as the request names it. */
  readonly path: string
  /** The path of that name in the directory that was opened, even if its own path leads elsewhere by now. */
  at(name: string): string
  /** Makes a rename in the directory survive a crash of the machine. */
  sync(): Promise<void>
}

/**
 * Does `work` in the directory of `path`; returns its result.
 * @throws AgentError `file-unwritable` if the directory is missing or another user could write in it
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
    const status = await handle.stat()
    const trust = new FileTrust({ uid, groups: 'none' })
    if (trust.ownerFault(directory, status) !== undefined) {
      throw refused(path, `its directory belongs to another user (uid ${status.uid})`)
    }
    const fault = trust.fault(directory, status)
    if (fault !== undefined) {
      throw refused(path, 'other users can write in its directory', fault.remedy)
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
 * The token file that exists now; undefined if the path does not exist.
 * @throws AgentError `file-unwritable` if the path is a link, a directory, a FIFO, another user's file,
 *   or a file that holds something other than a token
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

/** Removes the token file if it has that identity, or, without an identity, if it is the user's own. */
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

/** The name of a temporary file of this token file; {@link temporaryFiles} finds it. */
export function temporaryName(path: string, pid: number, count: number): string {
  return `.${basename(path)}.${pid}.${count}.tmp`
}

/** The identity of a file by its status. */
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
  // Non-blocking: in the meantime it could have become a FIFO.
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
