import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { AgentError, systemCode } from '../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { accountDirectory } from '../account-directory.ts'
import {
  addRequest,
  type PasswordSources,
  passwordEntry,
  passwordSources,
  unlockAccount,
} from '../passwords.ts'
import type { Io } from '../run.ts'
import { openTerminal, type Terminal } from '../terminal.ts'
import type { LauncherOptions } from './options.ts'

/** The account as JSON, or the path of a file with it, as in a GitLab variable of type File. */
const ACCOUNT_VARIABLE = 'OIDC_ACCOUNT_JSON'
/** Set by systemd: the directory of the unit's `LoadCredential=` files. */
const CREDENTIALS_VARIABLE = 'CREDENTIALS_DIRECTORY'
const PASSWORD_CREDENTIAL = 'oidc-agent-password'

/**
 * Loads the accounts of the environment and of `--load` into an agent that has just started. The first
 * token is requested by the first client, not here.
 * @throws AgentError what is wrong with an account, its file or its password
 */
export async function loadGiven(
  agent: AgentAddress,
  options: LauncherOptions,
  io: Io,
): Promise<void> {
  const given = io.env[ACCOUNT_VARIABLE] ?? ''
  io.hideMemory()
  if (given !== '') {
    const config = accountJson(
      given.startsWith('/') ? await textOf(given) : given,
      ACCOUNT_VARIABLE,
    )
    await callAgent(agent, { request: 'add', config, plain_add: true })
  }
  const sources = withCredential(passwordSources(options), io.env)
  for (const name of options.load) await loadNamed(name, agent, { sources, io })
}

async function loadNamed(
  name: string,
  agent: AgentAddress,
  { sources, io }: { readonly sources: PasswordSources; readonly io: Io },
): Promise<void> {
  const text = (await credential(`${name}.account`, io.env)) ?? (await accountFile(name, io))
  if (text.trimStart().startsWith('{')) {
    const config = accountJson(text, `the credential ${name}.account`)
    await callAgent(agent, { request: 'add', config, plain_add: true })
    return
  }
  let opened: Terminal | undefined
  const terminal = (): Terminal => (opened ??= openTerminal(io.env))
  try {
    const unlocked = await unlockAccount(name, text, { sources, io, terminal })
    const pw_entry = passwordEntry(name, sources, undefined, io.now)
    await callAgent(agent, addRequest(unlocked, { pw_entry, plain_add: true }))
  } finally {
    opened?.close()
  }
}

async function accountFile(name: string, io: Io): Promise<string> {
  const directory = await accountDirectory(io)
  if (await directory.has(name)) return directory.read(name)
  throw new AgentError('unknown-account', `there is no account file '${name}' to load`, {
    hint: `oidc-agent looked in ${directory.path}${io.env[CREDENTIALS_VARIABLE] === undefined ? '' : ` and $${CREDENTIALS_VARIABLE}`}`,
  })
}

/** If no source was named, the password in the unit's credentials counts as --pw-file. */
function withCredential(sources: PasswordSources, env: Io['env']): PasswordSources {
  const directory = env[CREDENTIALS_VARIABLE]
  const isNamed = [sources.variable, sources.command, sources.file].some((one) => one !== undefined)
  if (directory === undefined || directory === '' || isNamed) return sources
  return { ...sources, file: join(directory, PASSWORD_CREDENTIAL) }
}

async function credential(file: string, env: Io['env']): Promise<string | undefined> {
  const directory = env[CREDENTIALS_VARIABLE]
  if (directory === undefined || directory === '' || file.includes('/')) return undefined
  try {
    return await readFile(join(directory, file), 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw new AgentError('file-unreadable', `cannot read the credential ${file}`, { cause: error })
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const message = `cannot read ${path}, which ${ACCOUNT_VARIABLE} names`
    throw new AgentError('file-unreadable', message, { cause })
  }
}

/** The error does not quote the text, which has secrets. */
function accountJson(text: string, from: string): JsonObject {
  let value: unknown
  try {
    value = parseTolerantJson(text)
  } catch {
    value = undefined
  }
  if (isJsonObject(value)) return value
  throw new AgentError('file-malformed', `${from} is not an account: not a JSON object`)
}
