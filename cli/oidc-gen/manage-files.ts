import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import { checkAccountName } from '../../protocol/storage/account-directory.ts'
import { sealAccountFile } from '../../protocol/storage/account-file.ts'
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
import { unlockAccount } from '../passwords.ts'
import { printedAccount } from '../printing.ts'
import type { Io } from '../run.ts'
import { type GenContext, passwordWays } from './context.ts'

/** `-p`: prints what a file holds, secrets and all. */
export async function printFile(file: string, context: GenContext): Promise<void> {
  const named = namedFile(file, context.io.env)
  const { fields } = await unlockAccount(named.name, await named.read(), passwordWays(context))
  context.io.stdout.write(`${printedAccount(fields)}\n`)
}

/** `-u`: seals a file anew, in the current format and with the same password. */
export async function updateFile(file: string, context: GenContext): Promise<void> {
  const named = namedFile(file, context.io.env)
  const { fields, key } = await unlockAccount(named.name, await named.read(), passwordWays(context))
  await named.write(await sealAccountFile(fields, key))
  context.io.stdout.write('Updated config file format\n')
}

/** `--rename`: moves an account to another name; all but the name stays as it is. */
export async function renameAccount(from: string, to: string, context: GenContext): Promise<void> {
  checkAccountName(to)
  const directory = accountDirectory(context.io.env)
  if (!(await directory.has(from))) throw noSuchAccount()
  if (await directory.has(to)) {
    throw new AgentError('bad-request', `Account configuration '${to}' already exists`)
  }
  const text = await directory.read(from)
  const { fields, key } = await unlockAccount(from, text, passwordWays(context))
  const renamed = { ...fields, name: to }
  await directory.write(to, await sealAccountFile(renamed, key))
  await directory.remove(from)
  await removeIssuerAccount(directory.path, from)
  const { issuer } = accountOf(renamed)
  await addIssuerAccount(directory.path, issuer, to)
  await unloadOldName(from, to, context)
}

/** An agent that goes on under the old name would have no file for a rotated refresh token. */
async function unloadOldName(from: string, to: string, { agent, io }: GenContext): Promise<void> {
  try {
    await callAgent(agent, { request: 'remove', account: from })
  } catch (error) {
    // No agent, or it does not have the account: renaming needs neither.
    if (error instanceof AgentError) return
    throw error
  }
  io.stderr.write(
    `Account ${from} was unloaded. Load it again with\n\t$ oidc-add ${shellQuote(to)}\n`,
  )
}

/** Told of a name that has no file. */
export function noSuchAccount(): AgentError {
  return new AgentError('unknown-account', 'No account configuration found with that shortname', {
    hint: 'What there is shows: oidc-gen -l',
  })
}

/** An account file, wherever it is. */
export interface NamedFile {
  /** For questions about it. */
  readonly name: string
  read(): Promise<string>
  write(text: string): Promise<void>
}

/** The file that FILE of -p, -u and -f means: a path, or an account's name (cli.md §1.4). */
function namedFile(file: string, env: Io['env']): NamedFile {
  if (!file.includes('/')) {
    const directory = accountDirectory(env)
    return {
      name: file,
      read: () => directory.read(file),
      write: (text) => directory.write(file, text),
    }
  }
  const path = file.startsWith('~/') ? join(env['HOME'] ?? homedir(), file.slice(2)) : file
  return {
    name: basename(path),
    read: () => readPath(path),
    write: (text) => replaceFile(path, text),
  }
}

async function readPath(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** What the file of -f says of a client: JSON as it is, or in an account file. */
export async function readConfiguration(file: string, context: GenContext): Promise<JsonObject> {
  const named = namedFile(file, context.io.env)
  const text = await named.read()
  if (!text.trimStart().startsWith('{')) {
    return (await unlockAccount(named.name, text, passwordWays(context))).fields
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
  return new AgentError('file-malformed', `${file} is no JSON object`, { cause })
}
