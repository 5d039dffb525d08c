import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { readRegularFile } from '../../protocol/storage/regular-file.ts'
import type { PasswordEntry } from '../../protocol/wire/messages.ts'
import { fileAnswer } from '../file-answers.ts'

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
