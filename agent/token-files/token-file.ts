import { constants, type FileHandle, open, rename, rm, unlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { identityOfProcess } from '../../protocol/storage/process-identity.ts'
import { tokenLine } from '../../protocol/storage/token-line.ts'
import { systemCode, unwritable } from '../../protocol/wire/errors.ts'
import {
  type DirectoryHandle,
  existingTokenFile,
  type FileIdentity,
  identityOf,
  removeExisting,
  temporaryFiles,
  temporaryName,
  withDirectory,
} from './directory-handle.ts'

/** Counts writes: two writes of this process at once never share a temporary file. */
let written = 0

/**
 * Checks, before a token is requested, that it could be written; and removes the temporary files of
 * writers that were killed.
 * @throws AgentError `file-unwritable`
 */
export async function checkTokenFile(path: string, uid: number): Promise<void> {
  await withDirectory(path, uid, async (directory) => {
    await existingTokenFile(directory, uid)
    await removeLeftovers(directory)
  })
}

/**
 * Writes a token to a file: mode 0600, in one step, so that a reader sees the old token or the new one.
 * Returns the identity of the file, for {@link removeTokenFile}.
 * @throws AgentError `file-unwritable`, `provider-answer`; nothing has changed then
 */
export async function writeTokenFile(
  path: string,
  token: string,
  uid: number,
): Promise<FileIdentity> {
  return await withDirectory(path, uid, async (directory) => {
    const present = await existingTokenFile(directory, uid)
    const line = tokenLine(token, present?.size)
    written += 1
    const temporary = directory.at(temporaryName(path, process.pid, written))
    try {
      const identity = await writeNew(temporary, line)
      try {
        await rename(temporary, directory.at(basename(path)))
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      await directory.sync()
      return identity
    } catch (error) {
      throw unwritable(path, error)
    }
  })
}

/** Removes a token file. Another file that has taken its place since then stays. */
export async function removeTokenFile(
  path: string,
  uid: number,
  identity?: FileIdentity,
): Promise<void> {
  await withDirectory(path, uid, (directory) => removeExisting(directory, uid, identity))
}

async function writeNew(path: string, line: string): Promise<FileIdentity> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(path, flags, 0o600)
  try {
    return await fill(file, line)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function fill(file: FileHandle, line: string): Promise<FileIdentity> {
  // The umask may have cleared bits of the mode in open().
  await file.chmod(0o600)
  await file.writeFile(line)
  await file.sync()
  return identityOf(await file.stat({ bigint: true }))
}

/** Removes temporary files of writers that were killed before their rename: each holds a token. */
async function removeLeftovers(directory: DirectoryHandle): Promise<void> {
  for (const { name, pid } of await temporaryFiles(directory)) {
    if (identityOfProcess(pid) !== undefined) continue
    await unlink(directory.at(name)).catch((error: unknown) => {
      // It no longer exists, or belongs to another user.
      if (systemCode(error) === undefined) throw error
    })
  }
}
