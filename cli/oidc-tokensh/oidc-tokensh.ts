import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type AgentAddress, agentAddresses, callAgent } from '../../protocol/client/call.ts'
import { AgentError, unwritable } from '../../protocol/wire/errors.ts'
import type { TokenFileReply } from '../../protocol/wire/messages.ts'
import { instantOf, sanitize } from '../../protocol/wire/text.ts'
import type { Arguments } from '../arguments.ts'
import { targetOf, withAutoload } from '../autoload.ts'
import { printInfo } from '../printing.ts'
import type { ExitOutcome, Io } from '../run.ts'
import { runCommand } from '../signals.ts'
import type { oidcTokensh } from './options.ts'

/** Minimum remaining lifetime of the token without --minsecs, as by the C tool (cli.md §1.5). */
const DEFAULT_MIN_SECONDS = 60

type TokenshArguments = Arguments<typeof oidcTokensh.options>

/**
 * `oidc-tokensh`: runs a command with a token in a private file that the agent renews. The agent watches
 * this process: if it is killed, the agent removes the file.
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
      'Start an agent: eval `oidc-agent`. Or start one for this command only: oidc-agent oidc-tokensh …'
    throw new AgentError(error.code, error.message, { hint, cause: error })
  }
}

/** BEARER_TOKEN is unset: it takes precedence over the file (wlcg.md §2). */
function environment(env: Io['env'], path: string): Io['env'] {
  return {
    ...env,
    BEARER_TOKEN: undefined,
    BEARER_TOKEN_FILE: path,
    _condor_SCITOKENS_FILE: path,
  }
}

/** Errors are ignored: an agent that has ended or is locked has no file, and the directory is removed. */
async function stopKeeping(agent: AgentAddress | undefined, path: string): Promise<void> {
  await callAgent(agent, { request: 'token_file_stop', path }).catch(() => undefined)
}

/**
 * The only loaded account, for a command line without --oidc.
 * @throws AgentError `account-not-chosen` if no account or more than one is loaded
 */
async function chooseAccount(agent: AgentAddress | undefined): Promise<string> {
  const { info: loaded } = await callAgent(agent, { request: 'loaded_accounts' })
  const [only] = loaded
  if (only !== undefined && loaded.length === 1) return only
  const message =
    only === undefined ? 'no account is loaded' : `${loaded.length} accounts are loaded`
  const hint =
    only === undefined
      ? 'Name the account to load: --oidc=ACCOUNT'
      : `Name one of them by --oidc=ACCOUNT: ${loaded.map((name) => sanitize(name, 'line')).join(', ')}`
  throw new AgentError('account-not-chosen', message, { hint })
}

/**
 * Runs `work` with a new directory of mode 0700, and removes the directory with its content afterwards.
 * @throws AgentError `file-unwritable` if the directory cannot be made
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
