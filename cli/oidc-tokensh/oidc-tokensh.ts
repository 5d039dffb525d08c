import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AgentAddress,
  type AgentAddresses,
  agentAddresses,
  callAgent,
  callLocalOrRemote,
  isForRemote,
  withLocalOrRemote,
} from '../../protocol/client/call.ts'
import { requestTokenFile } from '../../protocol/client/token-file.ts'
import { identityOfProcess } from '../../protocol/storage/process-identity.ts'
import { AgentError, type ErrorCode, unwritable } from '../../protocol/wire/errors.ts'
import type { TokenSelection, UnixSeconds } from '../../protocol/wire/messages.ts'
import { instantOf, sanitize } from '../../protocol/wire/text.ts'
import type { Arguments } from '../arguments.ts'
import { callOptions, targetOf, withAutoload } from '../autoload.ts'
import { printInfo } from '../printing.ts'
import type { ExitOutcome, Io } from '../run.ts'
import { runCommand } from '../signals.ts'
import type { oidcTokensh } from './options.ts'
import { OwnTokenFile } from './own-token-file.ts'

/** Minimum remaining lifetime of the token without --minsecs, as by the C tool (cli.md §1.5). */
const DEFAULT_MIN_SECONDS = 60

type TokenshArguments = Arguments<typeof oidcTokensh.options>

/**
 * `oidc-tokensh`: runs a command with a token in a private file. The agent renews the token and watches this
 * process: if it is killed, the agent removes the file. An agent that cannot write here, as over a forwarded
 * socket, gives the tokens to this process, which then renews the file itself.
 */
export async function runWithToken(args: TokenshArguments, io: Io): Promise<ExitOutcome> {
  const words = args.operands.length > 0 ? args.operands : [io.env['SHELL'] ?? '/bin/sh']
  return await withPrivateDirectory(io.env, async (directory) => {
    const path = join(directory, `bt_u${io.uid}`)
    const kept = await keepFile(path, args, io)
    printInfo(kept.info, io)
    if (args.options.verbose) {
      io.stderr.write(`token in ${path} until ${instantOf(kept.expiresAt)}\n`)
    }
    try {
      return await runCommand(words, environment(io.env, path))
    } finally {
      await kept.stop()
    }
  })
}

/** A token file that the agent or this process keeps fresh. */
interface KeptFile {
  readonly expiresAt: UnixSeconds
  readonly info: string | undefined
  readonly stop: () => Promise<void>
}

/** What the command line selects. */
interface Selection {
  readonly path: string
  readonly agents: AgentAddresses
  readonly selected: TokenSelection & { readonly strict: true | undefined }
  readonly minValidSeconds: number
}

async function keepFile(path: string, { options }: TokenshArguments, io: Io): Promise<KeptFile> {
  const agents = agentAddresses(io.env, io.uid)
  try {
    const target = targetOf(options.oidc ?? (await chooseAccount(agents)))
    const selection: Selection = {
      path,
      agents,
      selected: {
        ...target,
        issuer: target.issuer,
        scope: options.scope.length > 0 ? options.scope.join(' ') : undefined,
        audience: options.audience,
        strict: options.strict || undefined,
        application_hint: 'oidc-tokensh',
      },
      minValidSeconds: options.minSeconds ?? DEFAULT_MIN_SECONDS,
    }
    return await withAutoload({ account: target.account, agents, env: io.env }, () =>
      keepSelected(selection, options, io),
    )
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'agent-unreachable') throw error
    const hint =
      'Start an agent: eval `oidc-agent`. Or start one for this command only: oidc-agent oidc-tokensh …'
    throw new AgentError(error.code, error.message, { hint, cause: error })
  }
}

type TokenshOptions = TokenshArguments['options']

async function keepSelected(
  selection: Selection,
  options: TokenshOptions,
  io: Io,
): Promise<KeptFile> {
  try {
    return await keptByAgent(selection, options)
  } catch (error) {
    if (!mayKeepItself(error, selection.agents)) throw error
    if (options.verbose) {
      io.stderr.write(`oidc-tokensh renews the file itself: ${error.message}\n`)
    }
    return await keptByUs(selection, options, io)
  }
}

async function keptByAgent(
  { path, agents: { local }, selected, minValidSeconds }: Selection,
  options: TokenshOptions,
): Promise<KeptFile> {
  const owner = identityOfProcess(process.pid)
  const request = {
    ...selected,
    request: 'token_file',
    path,
    min_valid_period: minValidSeconds,
    owner_pid: process.pid,
    owner_started: owner?.started,
  } as const
  const { expires_at, info } = await requestTokenFile(local, request, callOptions(options))
  return { expiresAt: expires_at, info, stop: () => stopKeeping(local, path) }
}

async function keptByUs(
  { path, agents, selected, minValidSeconds }: Selection,
  options: TokenshOptions,
  io: Io,
): Promise<KeptFile> {
  const file = new OwnTokenFile({
    path,
    minValidSeconds,
    issue: (seconds, signal) =>
      callLocalOrRemote(
        agents,
        { ...selected, request: 'access_token', min_valid_period: seconds },
        { ...callOptions(options), signal },
      ),
    now: io.now,
    warn: (line) => io.stderr.write(`oidc-tokensh: ${line}\n`),
  })
  const { expires_at, info } = await file.start()
  return { expiresAt: expires_at, info, stop: () => file.stop() }
}

/**
 * Whether this process may keep the file instead of the agent: an agent that writes elsewhere, a restricted
 * socket, an agent without the request (the C agent), or a remote agent that may have the account.
 */
function mayKeepItself(error: unknown, { remote }: AgentAddresses): error is AgentError {
  if (!(error instanceof AgentError)) return false
  return elsewhere.has(error.code) || (remote !== undefined && isForRemote(error))
}

const elsewhere: ReadonlySet<ErrorCode> = new Set([
  'file-unwritable',
  'operation-forbidden',
  'bad-request',
] as const)

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
async function chooseAccount(agents: AgentAddresses): Promise<string> {
  const { info: loaded } = await withLocalOrRemote(agents, (agent) =>
    callAgent(agent, { request: 'loaded_accounts' }),
  )
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
