import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type AgentAddress, agentAddresses, callAgent } from '../../protocol/client/call.ts'
import { AgentError, unwritable } from '../../protocol/wire/errors.ts'
import type { TokenFileReply } from '../../protocol/wire/messages.ts'
import { instantOf } from '../../protocol/wire/text.ts'
import type { Arguments } from '../arguments.ts'
import { targetOf, withAutoload } from '../autoload.ts'
import { printInfo } from '../printing.ts'
import type { ExitOutcome, Io } from '../run.ts'
import { runCommand } from '../signals.ts'
import type { oidcTokensh } from './options.ts'

/** Least time the token is valid where nothing was said, as with the C tool (cli.md §1.5). */
const DEFAULT_MIN_SECONDS = 60

type TokenshArguments = Arguments<typeof oidcTokensh.options>

/**
 * `oidc-tokensh`: runs a command with a token in a private file that the agent keeps fresh. The agent
 * watches this process: should it be killed, the file goes all the same.
 */
export async function runWithToken(args: TokenshArguments, io: Io): Promise<ExitOutcome> {
  const agent = agentAddresses(io.env, io.uid).local
  const words = args.operands.length > 0 ? args.operands : [io.env['SHELL'] ?? '/bin/sh']
  return await withPrivateDirectory(io.env, async (directory) => {
    const path = join(directory, `bt_u${io.uid}`)
    const reply = await keepFile(path, args, io)
    printInfo(reply.info, io)
    if (args.options.verbose) {
      io.stderr.write(`token in ${path} until ${instantOf(reply.expires_at)}\n`)
    }
    try {
      return await runCommand(words, environment(io.env, path))
    } finally {
      await stopKeeping(agent, path)
    }
  })
}

async function keepFile(
  path: string,
  { options }: TokenshArguments,
  io: Io,
): Promise<TokenFileReply> {
  const agents = agentAddresses(io.env, io.uid)
  try {
    const target = targetOf(options.oidc ?? (await chooseAccount(agents.local)))
    const request = {
      request: 'token_file',
      ...target,
      path,
      scope: options.scope.length > 0 ? options.scope.join(' ') : undefined,
      audience: options.audience,
      min_valid_period: options.minSeconds ?? DEFAULT_MIN_SECONDS,
      strict: options.strict || undefined,
      owner_pid: process.pid,
      application_hint: 'oidc-tokensh',
    } as const
    return await withAutoload({ account: target.account, agents, env: io.env }, () =>
      callAgent(agents.local, request),
    )
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'agent-unreachable') throw error
    const hint =
      'Start an agent: eval `oidc-agent`, or one for this only: oidc-agent oidc-tokensh …'
    throw new AgentError(error.code, error.message, { hint, cause: error })
  }
}

/** The token in the file is the one programs find: BEARER_TOKEN would win over it (wlcg.md §2). */
function environment(env: Io['env'], path: string): Io['env'] {
  return {
    ...env,
    BEARER_TOKEN: undefined,
    BEARER_TOKEN_FILE: path,
    _condor_SCITOKENS_FILE: path,
  }
}

/** An agent that is gone, or locked by now, keeps no file either; the directory goes in any case. */
async function stopKeeping(agent: AgentAddress | undefined, path: string): Promise<void> {
  await callAgent(agent, { request: 'token_file_stop', path }).catch(() => undefined)
}

/**
 * The account to take where none is named: the one that is loaded.
 * @throws AgentError `account-not-chosen` where it is none or more than one
 */
async function chooseAccount(agent: AgentAddress | undefined): Promise<string> {
  const { info: loaded } = await callAgent(agent, { request: 'loaded_accounts' })
  const [only] = loaded
  if (only !== undefined && loaded.length === 1) return only
  const message =
    only === undefined ? 'no account is loaded' : `${loaded.length} accounts are loaded`
  const hint =
    only === undefined
      ? 'Say which account to load: --oidc=ACCOUNT'
      : `Say which: --oidc=ACCOUNT, one of ${loaded.join(', ')}`
  throw new AgentError('account-not-chosen', message, { hint })
}

/**
 * Does `work` with a new directory that is only ours, mode 0700, and removes it with all that is in it.
 * @throws AgentError `file-unwritable`
 */
async function withPrivateDirectory<T>(
  env: Io['env'],
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const parent = [env['XDG_RUNTIME_DIR'], env['TMPDIR'], '/tmp'].find(Boolean) ?? '/tmp'
  const directory = await mkdtemp(join(parent, 'oidc-tokensh-')).catch((error: unknown) => {
    throw unwritable(parent, error)
  })
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
