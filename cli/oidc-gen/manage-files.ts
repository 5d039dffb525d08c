import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import {
  type AccountDirectory,
  checkAccountName,
  commandWait,
  withAccountLock,
} from '../../protocol/storage/account-directory.ts'
import { openAccountFile, sealAccountFile } from '../../protocol/storage/account-file.ts'
import { exposureOf } from '../../protocol/storage/file-trust.ts'
import { replaceFile } from '../../protocol/storage/files.ts'
import {
  addIssuerAccount,
  removeIssuerAccount,
} from '../../protocol/storage/issuer-config-writer.ts'
import { AgentError, unreadable } from '../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import { accountDirectory } from '../account-directory.ts'
import { type PasswordAccess, type UnlockedAccount, unlockAccount } from '../passwords.ts'
import { printedAccount } from '../printing.ts'
import type { Io } from '../run.ts'
import type { FilePlan } from './plan.ts'

/**
 * `-p`: prints the content of a file, including secrets.
 * @param file a path or an account's name
 * @throws AgentError `file-not-found`, `file-unreadable`, or what `unlockAccount` throws
 */
export async function printFile(file: string, io: Io, passwords: PasswordAccess): Promise<void> {
  const named = await namedFile(file, io)
  const { fields } = await unlockAccount(named.name, await named.read(), passwords)
  io.stdout.write(`${printedAccount(fields)}\n`)
}

/**
 * `-u`: seals a file again, in the current format and with the same password.
 * @throws AgentError as {@link printFile}; `file-unwritable`
 */
export async function updateFile(file: string, io: Io, passwords: PasswordAccess): Promise<void> {
  const named = await namedFile(file, io)
  const text = await named.read()
  const unlocked = await unlockAccount(named.name, text, passwords)
  await named.locked(async () => {
    const fields = await presentFields(unlocked, text, await named.read())
    await named.write(await sealAccountFile(fields, unlocked.key))
  })
  io.stdout.write('Updated config file format\n')
}

/**
 * `--rename`: moves an account to another name, and changes nothing else.
 * @throws AgentError `unknown-account`; `bad-request` if the new name is taken or not possible
 */
export async function renameAccount(
  { from, to }: Extract<FilePlan, { kind: 'rename' }>,
  agent: AgentAddress | undefined,
  io: Io,
  passwords: PasswordAccess,
): Promise<void> {
  checkAccountName(to)
  const directory = await accountDirectory(io)
  if (!(await directory.has(from))) throw noSuchAccount()
  if (await directory.has(to)) throw nameTaken(to)
  const text = await directory.read(from)
  const unlocked = await unlockAccount(from, text, passwords)
  const { issuer } = accountOf(unlocked.fields)
  await bothLocked(directory, [from, to], async () => {
    if (await directory.has(to)) throw nameTaken(to)
    const inFile = await presentFields(unlocked, text, await directory.read(from))
    const fields = (await directory.leftover(from, inFile, unlocked.key)) ?? inFile
    await directory.write(to, await sealAccountFile({ ...fields, name: to }, unlocked.key))
    await directory.remove(from)
  })
  await removeIssuerAccount(directory.path, from)
  await addIssuerAccount(directory.path, issuer, to)
  await unloadOldName(from, to, agent, io)
}

/** Locks two names, always in the same order: two commands that lock the same ones never wait for each other. */
async function bothLocked(
  directory: AccountDirectory,
  names: readonly [string, string],
  work: () => Promise<void>,
): Promise<void> {
  const [first, second] = [...names].sort()
  if (first === undefined || second === undefined) return
  await directory.locked(first, commandWait(), () => directory.locked(second, commandWait(), work))
}

function nameTaken(name: string): AgentError {
  return new AgentError('bad-request', `Account configuration '${name}' already exists`)
}

/**
 * The members of an account file that was unlocked as `before` and has the text `now`: an agent may have
 * saved a new refresh token while the user typed the password.
 * @throws AgentError `wrong-password` if the password was changed meanwhile
 */
async function presentFields(
  { fields, key }: UnlockedAccount,
  before: string,
  now: string,
): Promise<JsonObject> {
  return now === before ? fields : openAccountFile(now, key)
}

/** An agent that still had the account by its old name could not save a rotated refresh token. */
async function unloadOldName(
  from: string,
  to: string,
  agent: AgentAddress | undefined,
  { stderr }: Io,
): Promise<void> {
  try {
    await callAgent(agent, { request: 'remove', account: from })
  } catch (error) {
    // There is no agent, or it does not have the account: nothing is to be unloaded.
    if (error instanceof AgentError) return
    throw error
  }
  stderr.write(`Account ${from} was unloaded. Load it again with\n\t$ oidc-add ${shellQuote(to)}\n`)
}

/** The error for a name that has no file. */
export function noSuchAccount(): AgentError {
  return new AgentError('unknown-account', 'No account configuration found with that shortname', {
    hint: 'To list the accounts: oidc-gen -l',
  })
}

/** An account file in the config directory or elsewhere. */
interface NamedFile {
  /** Names the file in questions. */
  readonly name: string
  read(): Promise<string>
  write(text: string): Promise<void>
  /** Does `work` while no other process of ours works on the file. */
  locked(work: () => Promise<void>): Promise<void>
}

/** The file that FILE of -p, -u and -f means: a path, or an account's name (cli.md §1.4). */
async function namedFile(file: string, io: Pick<Io, 'env' | 'stderr'>): Promise<NamedFile> {
  if (!file.includes('/')) {
    const directory = await accountDirectory(io)
    return {
      name: file,
      read: () => directory.read(file),
      write: (text) => directory.write(file, text),
      locked: (work) => directory.locked(file, commandWait(), work),
    }
  }
  const path = file.startsWith('~/') ? join(io.env['HOME'] ?? homedir(), file.slice(2)) : file
  return {
    name: basename(path),
    read: () => readPath(path, io),
    write: (text) => replaceFile(path, text),
    locked: (work) => withAccountLock(path, commandWait(), work),
  }
}

async function readPath(path: string, { stderr }: Pick<Io, 'stderr'>): Promise<string> {
  try {
    const exposure = await exposureOf(path)
    if (exposure !== undefined) stderr.write(`${exposure}\n`)
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

/**
 * The members in the file of -f: a JSON object, or one that is sealed in an account file.
 * @throws AgentError `file-malformed` if there is no JSON object; else as {@link printFile}
 */
export async function readConfiguration(
  file: string,
  passwords: PasswordAccess,
): Promise<JsonObject> {
  const named = await namedFile(file, passwords.io)
  const text = await named.read()
  if (!text.trimStart().startsWith('{')) {
    return (await unlockAccount(named.name, text, passwords)).fields
  }
  try {
    const value = parseTolerantJson(text)
    if (isJsonObject(value)) return value
  } catch (cause) {
    throw malformed(file, cause)
  }
  throw malformed(file)
}

function malformed(file: string, cause?: unknown): AgentError {
  return new AgentError('file-malformed', `${file} is not a JSON object`, { cause })
}
