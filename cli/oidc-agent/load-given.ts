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

/** The account itself as JSON, or the path of a file with it, as GitLab's variables of type File give. */
const ACCOUNT_VARIABLE = 'OIDC_ACCOUNT_JSON'
/** Of systemd: where `LoadCredential=` puts what a unit may know. */
const CREDENTIALS_VARIABLE = 'CREDENTIALS_DIRECTORY'
const PASSWORD_CREDENTIAL = 'oidc-agent-password'

/**
 * Loads what the environment and `--load` give into an agent that has just started: without asking
 * the provider for a token, which the first client does.
 * @throws AgentError what is wrong with the account, its file or its password
 */
export async function loadGiven(
  agent: AgentAddress,
  options: LauncherOptions,
  io: Io,
): Promise<void> {
  const given = io.env[ACCOUNT_VARIABLE] ?? ''
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
  const text = (await credential(`${name}.account`, io.env)) ?? (await accountFile(name, io.env))
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

async function accountFile(name: string, env: Io['env']): Promise<string> {
  const directory = accountDirectory(env)
  if (await directory.has(name)) return directory.read(name)
  throw new AgentError('unknown-account', `there is no account file '${name}' to load`, {
    hint: `Looked for in ${directory.path}${env[CREDENTIALS_VARIABLE] === undefined ? '' : ` and $${CREDENTIALS_VARIABLE}`}`,
  })
}

/** A password that systemd hands over counts as --pw-file, where no source was named. */
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
    throw new AgentError(
      'file-unreadable',
      `cannot read ${path}, which ${ACCOUNT_VARIABLE} names`,
      {
        cause,
      },
    )
  }
}

/** What is wrong with the text is not said: it is full of secrets. */
function accountJson(text: string, from: string): JsonObject {
  let value: unknown
  try {
    value = parseTolerantJson(text)
  } catch {
    value = undefined
  }
  if (isJsonObject(value)) return value
  throw new AgentError('file-malformed', `${from} holds no account: not a JSON object`)
}
