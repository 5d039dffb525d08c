import { randomBytes } from 'node:crypto'
import { mkdirSync, statSync } from 'node:fs'
import { constants, type FileHandle, open, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode, unwritable } from '../wire/errors.ts'

/**
 * Writes a whole file, mode 0600: after a crash or on a full disk there is the old text or the new,
 * never half of one. A symbolic link stays one: what it points to is replaced.
 * @throws AgentError `file-unwritable`; nothing is left behind then
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  try {
    const target = await finalTarget(path)
    // In the same directory, so that the rename is atomic; with a dot, so that it is never listed.
    const temporary = join(dirname(target), `.${randomBytes(8).toString('hex')}.tmp`)
    try {
      await writeNew(temporary, text)
      await rename(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    // The new text is in place. Some file systems (AFS, FUSE) cannot sync a directory.
    await syncDirectory(dirname(target)).catch(() => undefined)
  } catch (error) {
    throw unwritable(path, error)
  }
}

async function finalTarget(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return path
    throw error
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  await withFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, async (file) => {
    // The umask may have taken bits from the mode it was opened with.
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  })
}

/** Makes the rename outlast a crash of the machine. */
async function syncDirectory(path: string): Promise<void> {
  await withFile(path, constants.O_RDONLY | constants.O_DIRECTORY, (directory) => directory.sync())
}

async function withFile(
  path: string,
  flags: number,
  work: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, 0o600)
  try {
    await work(file)
  } finally {
    await file.close()
  }
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
    // Somebody else may have made it just now.
    if (!isDirectory(path)) throw error
  }
  return first ?? path
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
