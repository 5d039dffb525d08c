import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text as collect } from 'node:stream/consumers'
import type { Environment } from '../protocol/client.ts'
import type { PasswordEntry } from '../protocol/messages.ts'
import { systemReason } from '../protocol/system-error.ts'
import { optionalText, text, type Values } from './option.ts'

/** Options that say where an account file's password comes from (cli.md §1.6). */
export const passwordOptions = {
  pwEnv: optionalText(
    '--pw-env[=OIDC_ENCRYPTION_PW]',
    'Reads the encryption password from the passed environment variable (default: OIDC_ENCRYPTION_PW), instead of prompting the user',
  ),
  pwCmd: text(
    '--pw-cmd=CMD',
    'Command from which the encryption password is read, instead of prompting the user',
  ),
  pwFile: text('--pw-file=FILE', 'Uses the first line of FILE as the encryption password'),
} as const

/** Where a password comes from before anybody is asked for it. */
export interface PasswordSources {
  /** Name of an environment variable. */
  readonly variable: string | undefined
  /** For /bin/sh. */
  readonly command: string | undefined
  readonly file: string | undefined
}

export const noPasswordSources: PasswordSources = {
  variable: undefined,
  command: undefined,
  file: undefined,
}

/** The sources given on the command line. */
export function passwordSources(options: Values<typeof passwordOptions>): PasswordSources {
  return {
    variable: options.pwEnv === true ? 'OIDC_ENCRYPTION_PW' : options.pwEnv,
    command: options.pwCmd,
    // The agent is told of it too, and stands elsewhere.
    file: options.pwFile === undefined ? undefined : resolve(options.pwFile),
  }
}

/** What a source needs of the world. */
export interface SourceEnvironment {
  readonly env: Environment
  /** Told why a source gave nothing. */
  readonly warn: (line: string) => void
}

/** The password of the first source that has one, in the C tools' order: variable, command, file. */
export async function sourcedPassword(
  sources: PasswordSources,
  runtime: SourceEnvironment,
): Promise<string | undefined> {
  const { variable, command, file } = sources
  if (variable !== undefined) {
    const password = runtime.env[variable]
    if (password !== undefined && password !== '') return password
    runtime.warn(`--pw-env: ${variable} is not set`)
  }
  if (command !== undefined) {
    const password = await outputOf(command, runtime)
    if (password !== undefined) return password
  }
  return file === undefined ? undefined : await firstLineOf(file, runtime)
}

async function outputOf(
  command: string,
  { env, warn }: SourceEnvironment,
): Promise<string | undefined> {
  // The command may ask the person something itself, so it has our stdin and stderr.
  const child = spawn('/bin/sh', ['-c', command], { env, stdio: ['inherit', 'pipe', 'inherit'] })
  const ended = new Promise<number | string | null>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (status, signal) => resolve(status ?? signal))
  })
  const [output, status] = await Promise.all([collect(child.stdout), ended])
  if (status !== 0) {
    warn(`--pw-cmd: the command failed (${status ?? 'ended'})`)
    return undefined
  }
  const password = output.replace(/\r?\n$/, '')
  if (password !== '') return password
  warn('--pw-cmd: the command printed nothing')
  return undefined
}

async function firstLineOf(path: string, { warn }: SourceEnvironment): Promise<string | undefined> {
  try {
    const [line] = (await readFile(path, 'utf8')).split(/\r?\n/, 1)
    if (line !== undefined && line !== '') return line
    warn(`--pw-file: ${path} is empty`)
  } catch (error) {
    warn(`--pw-file: cannot read ${path}: ${systemReason(error)}`)
  }
  return undefined
}

/** How long the agent may keep the password itself: seconds, 0 = forever. */
export interface PasswordKeeping {
  readonly password: string
  readonly seconds: number
}

/** Bits of `pw_entry.type` (protocol.md §2.4). */
const inMemory = 1
const byCommand = 4
const byPrompt = 8
const inFile = 16

/**
 * What the agent is told about an account's password. As with the C tools a password that came from
 * a variable is kept by the agent, since the variable will not be there later.
 */
export function passwordEntry(
  account: string,
  sources: PasswordSources,
  keep: PasswordKeeping | undefined,
  now: () => number,
): PasswordEntry {
  const type =
    byPrompt |
    (keep === undefined ? 0 : inMemory) |
    (sources.command === undefined ? 0 : byCommand) |
    (sources.file === undefined ? 0 : inFile)
  return {
    account,
    type,
    ...(keep === undefined ? {} : keptPassword(keep, now)),
    ...(sources.command === undefined ? {} : { command: sources.command }),
    ...(sources.file === undefined ? {} : { pw_file: sources.file }),
  }
}

function keptPassword(
  { password, seconds }: PasswordKeeping,
  now: () => number,
): Partial<PasswordEntry> {
  if (seconds === 0) return { password }
  return { password, expires_after: seconds, expires_at: Math.floor(now() / 1000) + seconds }
}
