import { constants, type FileHandle, open, rename, rm, unlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { identityOfProcess } from '../../protocol/storage/process-identity.ts'
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
import { tokenLine } from './token-line.ts'

/** Two writes at once, of this process, never share a temporary file. */
let written = 0

/**
 * Says no before a token is asked for, where it could not be written; and removes what a writer that
 * was killed has left.
 * @throws AgentError `file-unwritable`
 */
export async function checkTokenFile(path: string, uid: number): Promise<void> {
  await withDirectory(path, uid, async (directory) => {
    await existingTokenFile(directory, uid)
    await removeLeftovers(directory)
  })
}

/**
 * Puts a token into a file: mode 0600, in one step, so that a reader sees the old token or the new
 * one. Gives what tells the file from others, for {@link removeTokenFile}.
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

/** Removes a token file. One that somebody else has put in its place since stays. */
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
  // The umask may have taken bits from the mode it was opened with.
  await file.chmod(0o600)
  await file.writeFile(line)
  await file.sync()
  return identityOf(await file.stat({ bigint: true }))
}

/** A writer that was killed before its rename left a token behind. */
async function removeLeftovers(directory: DirectoryHandle): Promise<void> {
  for (const { name, pid } of await temporaryFiles(directory)) {
    if (identityOfProcess(pid) !== undefined) continue
    await unlink(directory.at(name)).catch((error: unknown) => {
      // Gone meanwhile, or another user's.
      if (systemCode(error) === undefined) throw error
    })
  }
}
