import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text as collect } from 'node:stream/consumers'
import { sameIssuer } from '../protocol/storage/account.ts'
import {
  type FileKey,
  parseFileLines,
  unlockAccountFile,
} from '../protocol/storage/account-file.ts'
import { findConfigDirectory } from '../protocol/storage/config-directory.ts'
import { exposureOf } from '../protocol/storage/file-trust.ts'
import { readKnownIssuers } from '../protocol/storage/issuer-config.ts'
import type { Environment } from '../protocol/wire/agent-options.ts'
import { AgentError, systemReason } from '../protocol/wire/errors.ts'
import type { AddRequest, JsonObject, PasswordEntry } from '../protocol/wire/messages.ts'
import { optionalText, text, type Values } from './option.ts'
import type { Io } from './run.ts'
import type { Terminal } from './terminal.ts'

/** How the password of an account file is obtained: from a source, else from the person. */
export interface PasswordAccess {
  readonly sources: PasswordSources
  readonly io: Pick<Io, 'env' | 'stderr' | 'hideMemory'>
  /** Opens the terminal. Not called before the first question. */
  readonly terminal: () => Terminal
}

/** Where a password came from. */
type Origin = 'source' | 'person'

/** An opened account, and where its password came from. */
export interface UnlockedAccount extends OpenedAccount {
  readonly from: Origin
}

/**
 * Opens an account file: tries first the password from the sources, then those that the person
 * enters (cli.md §1.2).
 * @param text of the file
 * @throws AgentError `wrong-password` after three tries; `no-terminal`; what `unlockAccountFile` throws
 */
export async function unlockAccount(
  name: string,
  text: string,
  { sources, io, terminal }: PasswordAccess,
): Promise<UnlockedAccount> {
  // A damaged file is reported before its password is asked for.
  parseFileLines(text)
  const warn = (line: string): void => void io.stderr.write(`${line}\n`)
  const sourced = await sourcedPassword(sources, {
    env: io.env,
    hideMemory: io.hideMemory,
    warn,
  })
  let from: Origin = 'source'
  const passwordFor = async (attempt: number): Promise<string> => {
    if (attempt === 1 && sourced !== undefined) return sourced
    const password = await terminal().askSecret(passwordQuestion(name))
    from = 'person'
    return password
  }
  try {
    const opened = await openWithTries(text, passwordFor, warn)
    return { ...opened, from }
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    if (error.code === 'wrong-password') throw triesExhausted(error)
    if (error.code === 'no-terminal' && sourced !== undefined) throw sourceIsWrong(error)
    throw error
  }
}

function triesExhausted(cause: AgentError): AgentError {
  return new AgentError('wrong-password', 'reached maximum number of tries', { cause })
}

function sourceIsWrong(cause: AgentError): AgentError {
  const message = `the given password is wrong, and ${cause.message}`
  return new AgentError('wrong-password', message, { cause })
}

/** Options for the sources of an account file's password (cli.md §1.6). */
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

/** Where a password is looked for before the person is asked. */
export interface PasswordSources {
  /** Name of an environment variable. */
  readonly variable: string | undefined
  /** For /bin/sh; prints the password. */
  readonly command: string | undefined
  /** Absolute path; the first line is the password. */
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
    // The agent gets the path too, and has another working directory.
    file: options.pwFile === undefined ? undefined : resolve(options.pwFile),
  }
}

/** What reading a source depends on. */
export interface SourceEnvironment {
  readonly env: Environment
  /** Called before a password is read from a file or a command, see {@link Io}. */
  readonly hideMemory: () => void
  /** Reports why a source gave no password. */
  readonly warn: (line: string) => void
}

/**
 * The password of the first source that has one, in the C tools' order: variable, command, file.
 * Undefined if none has one.
 */
export async function sourcedPassword(
  sources: PasswordSources,
  runtime: SourceEnvironment,
): Promise<string | undefined> {
  const { variable, command, file } = sources
  const password = variable === undefined ? undefined : runtime.env[variable]
  // After the environment, which this process may be unable to read again.
  runtime.hideMemory()
  if (variable !== undefined) {
    if (password !== undefined && password !== '') return password
    runtime.warn(`--pw-env: ${variable} is not set`)
  }
  if (command !== undefined) {
    const output = await outputOf(command, runtime)
    if (output !== undefined) return output
  }
  return file === undefined ? undefined : await firstLineOf(file, runtime)
}

async function outputOf(
  command: string,
  { env, warn }: SourceEnvironment,
): Promise<string | undefined> {
  // The command may ask the person something itself, so it inherits stdin and stderr.
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
    const exposure = await exposureOf(path)
    if (exposure !== undefined) warn(exposure)
    const [line] = (await readFile(path, 'utf8')).split(/\r?\n/, 1)
    if (line !== undefined && line !== '') return line
    warn(`--pw-file: ${path} is empty`)
  } catch (error) {
    warn(`--pw-file: cannot read ${path}: ${systemReason(error)}`)
  }
  return undefined
}

/** A password that the agent may keep in memory. */
export interface PasswordKeeping {
  readonly password: string
  /** 0: without limit. */
  readonly seconds: number
}

/** Bits of `pw_entry.type` (protocol.md §2.4). */
const inMemory = 1
const byCommand = 4
const byPrompt = 8
const inFile = 16

/**
 * The `pw_entry` of a request: how the agent obtains an account's password later.
 * @param keep the password, if the agent keeps it in memory
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

/** Tries for a password, as with the C tools. */
const MAX_TRIES = 3

/** An account file that was opened. */
export interface OpenedAccount {
  readonly fields: JsonObject
  readonly key: FileKey
  /** The password that opened the file. */
  readonly password: string
}

/** The password for a try; tries count from 1. */
export type PasswordForTry = (attempt: number) => Promise<string>

/**
 * Opens the text of an account file, with three tries for the password.
 * @param say reports a wrong password after which there is another try
 * @throws AgentError `wrong-password` after the third try; what `unlockAccountFile` throws
 */
export async function openWithTries(
  text: string,
  passwordFor: PasswordForTry,
  say: (line: string) => void,
): Promise<OpenedAccount> {
  for (let attempt = 1; attempt < MAX_TRIES; attempt++) {
    try {
      return await openOnce(text, await passwordFor(attempt))
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'wrong-password') throw error
      say(error.message)
    }
  }
  return await openOnce(text, await passwordFor(MAX_TRIES))
}

async function openOnce(text: string, password: string): Promise<OpenedAccount> {
  return { ...(await unlockAccountFile(text, password)), password }
}

/** The question for an account file's password, in the C tools' words. */
export function passwordQuestion(account: string): string {
  return `Enter decryption password for account config '${account}'`
}

/** The request that loads an opened account, with the key by which the agent re-seals its file. */
export function addRequest(
  { fields, key }: OpenedAccount,
  settings: Omit<AddRequest, 'request' | 'config' | 'file_key'>,
): AddRequest {
  const file_key = { salt: base64(key.salt), key: base64(key.bytes) }
  return { ...settings, request: 'add', config: fields, file_key }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** Whether the agent keeps file passwords for this issuer, by the issuer files (`pw-store`). */
export async function storesPassword(
  issuer: string,
  env: Io['env'],
  systemDirectory: string | undefined,
): Promise<boolean> {
  const known = await readKnownIssuers(await findConfigDirectory(env), systemDirectory)
  return known.find((one) => sameIssuer(one.issuer, issuer))?.storePassword ?? false
}
