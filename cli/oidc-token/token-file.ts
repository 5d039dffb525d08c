import { resolve } from 'node:path'
import {
  type AgentAddresses,
  agentAddresses,
  callAgent,
  isForRemote,
} from '../../protocol/client/call.ts'
import type { CallOptions } from '../../protocol/client/connection.ts'
import { requestTokenFile } from '../../protocol/client/token-file.ts'
import type {
  TokenFileReply,
  TokenFileRequest,
  TokenSelection,
} from '../../protocol/wire/messages.ts'
import { usageError } from '../arguments.ts'
import { callOptions, withAutoload } from '../autoload.ts'
import { exportLine, printInfo } from '../printing.ts'
import type { Io } from '../run.ts'
import type { TokenOptions } from './options.ts'

/**
 * `oidc-token --file`: lets the agent write a token to a file and renew it. Prints the path; with --env, the
 * shell command that sets BEARER_TOKEN_FILE. An agent that would write the file on another machine or in
 * another container is refused: nobody would renew the file here.
 */
export async function keepFile(
  selection: TokenSelection,
  options: TokenOptions,
  io: Io,
): Promise<void> {
  refuseOutputOptions(options)
  const path = tokenFilePath(options.file ?? true, options.purpose, io)
  const agents = agentAddresses(io.env, io.uid)
  const request = {
    ...selection,
    request: 'token_file',
    path,
    min_valid_period: options.time,
    strict: options.strict || undefined,
    once: options.once || undefined,
    leave: options.leave || undefined,
  } as const
  const reply = await withAutoload({ account: selection.account, agents, env: io.env }, () =>
    requestFromAgents(agents, request, callOptions(options)),
  )
  printInfo(reply.info, io)
  if ((io.env['BEARER_TOKEN'] ?? '') !== '') {
    io.stderr.write('BEARER_TOKEN is set: programs use that token, not the one in the file.\n')
  }
  io.stdout.write(`${options.env ? exportLine('BEARER_TOKEN_FILE', path) : path}\n`)
}

/**
 * As callLocalOrRemote, but of two errors that of the remote agent is thrown: it has the reason why it does
 * not keep the file.
 */
async function requestFromAgents(
  { local, remote }: AgentAddresses,
  request: TokenFileRequest,
  options: CallOptions,
): Promise<TokenFileReply> {
  try {
    return await requestTokenFile(local, request, options)
  } catch (error) {
    if (remote === undefined || !isForRemote(error)) throw error
    return await requestTokenFile(remote, request, options)
  }
}

/** `oidc-token --file-stop`: lets the agent stop renewing a token file and remove it. Prints the path. */
export async function stopFile(options: TokenOptions, io: Io): Promise<void> {
  const path = tokenFilePath(options.fileStop ?? true, options.purpose, io)
  const { local } = agentAddresses(io.env, io.uid)
  await callAgent(local, { request: 'token_file_stop', path })
  io.stdout.write(`${path}\n`)
}

/** With --file the token is not printed, and the agent decides when to renew it. */
function refuseOutputOptions(options: TokenOptions): void {
  const { all, token, issuer, expiresAt, bearer, authHeader, idToken, forceNew } = options
  const given = [token, issuer, expiresAt].some((value) => value !== undefined)
  if (given || all || bearer || authHeader || idToken || forceNew) {
    throw usageError(
      'with --file the token is not printed: leave out -a, -o, -i, -e, -f and similar options',
    )
  }
}

/**
 * The absolute path of the token file: the given one, else that of WLCG Bearer Token Discovery (wlcg.md §2).
 * A purpose is appended, for more than one token: programs find such a file by BEARER_TOKEN_FILE.
 * @throws AgentError `usage` if the path is empty or the purpose cannot be part of a file name
 */
export function tokenFilePath(
  given: string | true,
  purpose: string | undefined,
  { env, uid }: Pick<Io, 'env' | 'uid'>,
): string {
  const path = given === true ? discoveredPath(env, uid) : given
  if (path === '') throw usageError('--file: the path is empty')
  return resolve(purpose === undefined ? path : `${path}-${checkPurpose(purpose)}`)
}

function discoveredPath(env: Io['env'], uid: number): string {
  const { BEARER_TOKEN_FILE: file, XDG_RUNTIME_DIR: runtime } = env
  if (file !== undefined && file !== '') return file
  const directory = runtime !== undefined && runtime !== '' ? runtime : '/tmp'
  return `${directory}/bt_u${uid}`
}

function checkPurpose(purpose: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(purpose)) return purpose
  throw usageError(`--purpose: '${purpose}' has other characters than letters, digits, . _ -`)
}
