import { callAgent } from '../../protocol/client/call.ts'
import { accountOf, sameIssuer } from '../../protocol/storage/account.ts'
import { findConfigDirectory } from '../../protocol/storage/config-directory.ts'
import { type KnownIssuer, readKnownIssuers } from '../../protocol/storage/issuer-config.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { AccountStatus, StatusJsonReply } from '../../protocol/wire/messages.ts'
import { shellQuote, tokenFileLine } from '../../protocol/wire/text.ts'
import { accountDirectory, listAccounts } from '../account-directory.ts'
import type { Arguments } from '../arguments.ts'
import { selectAgent } from '../autoload.ts'
import {
  addRequest,
  type PasswordKeeping,
  passwordEntry,
  passwordSources,
  storesPassword,
  type UnlockedAccount,
  unlockAccount,
} from '../passwords.ts'
import { dateOf, printedAccount, printNames } from '../printing.ts'
import type { Io } from '../run.ts'
import { openTerminal, type Terminal } from '../terminal.ts'
import { type AddContext, type AddHost, modeOf, type oidcAdd, printSuccess } from './options.ts'

/**
 * `oidc-add`: loads accounts into the agent, unloads them, and locks the agent.
 * @throws AgentError what the mode failed with
 */
export async function addAccounts(
  args: Arguments<typeof oidcAdd.options>,
  io: Io,
  host: AddHost = { openTerminal: () => openTerminal(io.env) },
): Promise<void> {
  let opened: Terminal | undefined
  const { options } = args
  const context: AddContext = {
    options,
    io,
    host,
    agent: selectAgent(io, options.remote ? 'remote' : 'local'),
    terminal: () => (opened ??= host.openTerminal()),
    explain: (line) => {
      if (options.verbose || options.debug) io.stderr.write(`${line}\n`)
    },
  }
  try {
    await perform(args, context)
  } finally {
    opened?.close()
  }
}

async function perform(
  args: Arguments<typeof oidcAdd.options>,
  context: AddContext,
): Promise<void> {
  const { io, agent } = context
  const mode = modeOf(args, process.cwd())
  switch (mode.kind) {
    case 'list':
      return listAccounts(io)
    case 'loaded':
      return printLoaded(context)
    case 'lock':
      return lock(context)
    case 'unlock':
      return unlock(context)
    case 'remove-all':
      printSuccess(io, await callAgent(agent, { request: 'remove_all' }))
      return
    case 'sharing':
      printSuccess(io, await callAgent<'share' | 'unshare'>(agent, mode.request))
      return
    case 'print':
      return printFile(await accountNamed(mode.operand, context), context)
    case 'remove': {
      const account = await accountNamed(mode.operand, context)
      printSuccess(io, await callAgent(agent, { request: 'remove', account }))
      return
    }
    case 'load':
      return load(await accountNamed(mode.operand, context), context)
  }
}

/**
 * The account an operand names: itself, or with an issuer's URL that issuer's default account.
 * @throws AgentError `unknown-account` if the issuer has none
 */
async function accountNamed(operand: string, { io, host }: AddContext): Promise<string> {
  // As with the C tool, only the literal beginning makes it an issuer.
  if (!operand.startsWith('https://')) return operand
  const issuers = await readKnownIssuers(await findConfigDirectory(io.env), host.systemDirectory)
  const account = defaultAccountOf(issuers.find(({ issuer }) => sameIssuer(issuer, operand)))
  if (account !== undefined) return account
  throw new AgentError('unknown-account', `No account configured for the issuer ${operand}`, {
    hint: `To make one: oidc-gen --issuer=${shellQuote(operand)}`,
  })
}

function defaultAccountOf(issuer: KnownIssuer | undefined): string | undefined {
  return issuer?.defaultAccount ?? issuer?.accounts[0]
}

/** Opens an account's file and loads it into the agent. */
async function load(account: string, context: AddContext): Promise<void> {
  const { options, io, agent, terminal, explain } = context
  if (options.pwPrompt === 'gui') {
    throw new AgentError('not-implemented', '--pw-prompt=gui is not implemented', {
      hint: 'Leave out --pw-prompt to be asked on the terminal.',
    })
  }
  const directory = await accountDirectory(io)
  if (!(await directory.has(account))) throw noSuchAccount(account)

  const { info: loaded } = await callAgent(agent, { request: 'loaded_accounts' })
  if (loaded.includes(account) && !options.force) {
    io.stdout.write(`Account '${account}' already loaded\n`)
    if (changesLoaded(options)) {
      io.stderr.write('The account was not changed. With --force the other options take effect.\n')
    }
    return
  }

  explain(`account file: ${directory.path}/${account}`)
  const sources = passwordSources(options)
  const text = await directory.read(account)
  const opened = await unlockAccount(account, text, { sources, io, terminal })
  const request = addRequest(opened, {
    pw_entry: passwordEntry(account, sources, await keeping(opened, context), io.now),
    lifetime: options.lifetime,
    confirm: options.confirm,
    always_allow_id_token: options.alwaysAllowIdToken,
    plain_add: options.skipCheck,
  })
  printSuccess(io, await callAgent(agent, request))
}

/** Whether an option was given that would change a loaded account. */
function changesLoaded(options: AddContext['options']): boolean {
  const { lifetime, pwStore, confirm, alwaysAllowIdToken } = options
  return lifetime !== undefined || pwStore !== undefined || confirm || alwaysAllowIdToken
}

/**
 * Whether and how long the agent keeps the password: for the time of --pw-store; with --pw-store alone,
 * for the account's lifetime; without limit if the issuer files demand it. Otherwise not, also with
 * --pw-env: the file key that goes with the account is enough to save a new refresh token.
 */
async function keeping(
  { fields, password }: UnlockedAccount,
  { options, io, host }: AddContext,
): Promise<PasswordKeeping | undefined> {
  const { pwStore, lifetime } = options
  if (typeof pwStore === 'number') return { password, seconds: pwStore }
  if (pwStore === true) return { password, seconds: lifetime ?? 0 }
  const isKept = await storesPassword(accountOf(fields).issuer, io.env, host.systemDirectory)
  return isKept ? { password, seconds: 0 } : undefined
}

function noSuchAccount(account: string): AgentError {
  return peerError('unknown-account', {
    hint: `There is no file for ${account}. To list the accounts: oidc-add -l`,
  })
}

/** Locks the agent with a password, which is asked for twice. */
async function lock({ agent, io, terminal }: AddContext): Promise<void> {
  await callAgent(agent, { request: 'check' })
  const password = await terminal().askSecret('Enter lock password')
  if ((await terminal().askSecret('Confirm lock password')) !== password) {
    throw new AgentError('wrong-password', 'Passwords do not match.')
  }
  printSuccess(io, await callAgent(agent, { request: 'lock', password }))
}

/** Unlocks the agent. */
async function unlock({ agent, io, terminal }: AddContext): Promise<void> {
  await callAgent(agent, { request: 'check' })
  const password = await terminal().askSecret('Enter lock password')
  printSuccess(io, await callAgent(agent, { request: 'unlock', password }))
}

/** Prints the content of an account file, including secrets. */
async function printFile(account: string, { io, options, terminal }: AddContext): Promise<void> {
  const text = await (await accountDirectory(io)).read(account)
  const ways = { sources: passwordSources(options), io, terminal }
  const { fields } = await unlockAccount(account, text, ways)
  io.stdout.write(`${printedAccount(fields)}\n`)
}

const words = {
  heading: 'The following account configurations are currently loaded: ',
  none: 'No account configurations are currently loaded.',
} as const

/**
 * `-a`: prints the names of the loaded accounts. On a terminal also prints when their logins end, and the
 * token files that are kept fresh.
 */
async function printLoaded({ io, agent }: AddContext): Promise<void> {
  const { info: names } = await callAgent(agent, { request: 'loaded_accounts' })
  if (io.stdout.isTTY !== true) {
    printNames(io, names, words)
    return
  }
  const { accounts = [], token_files: files = [] } = await statusOf(agent)
  const logins = new Map(accounts.map((one) => [one.name, one]))
  const width = Math.max(0, ...names.map((name) => name.length))
  const lines = names.map((name) => {
    const login = loginText(logins.get(name), io.now())
    return login === '' ? name : `${name.padEnd(width)}  ${login}`
  })
  printNames(io, lines, words)
  if (files.length > 0) io.stdout.write('\nToken files kept fresh:\n')
  for (const file of files) io.stdout.write(`${tokenFileLine(file)}\n`)
}

/** The agent's status; empty if the agent does not support the request. */
async function statusOf(agent: AddContext['agent']): Promise<Partial<StatusJsonReply['info']>> {
  try {
    return (await callAgent(agent, { request: 'status_json' })).info
  } catch (error) {
    if (error instanceof AgentError) return {}
    throw error
  }
}

/** When the account's login ends, for a person; empty if that is not known. */
function loginText(account: AccountStatus | undefined, now: number): string {
  if (account === undefined) return ''
  if (account.login_expired) return 'login ended'
  if (account.grant !== 'refresh_token') return 'robot'
  const end = account.refresh_token_expires_at
  if (end === null || end <= 0) return ''
  return end * 1000 <= now ? 'login ended' : `login ends ${dateOf(end)}`
}
