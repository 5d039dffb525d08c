import { resolve } from 'node:path'
import { agentAddresses, callAgent, TOKEN_TIMEOUT_MS } from '../../protocol/client/call.ts'
import type { TokenSelection } from '../../protocol/wire/messages.ts'
import { usageError } from '../arguments.ts'
import { withAutoload } from '../autoload.ts'
import { exportLine, printInfo } from '../printing.ts'
import type { Io } from '../run.ts'
import type { TokenOptions } from './options.ts'

/**
 * `oidc-token --file`: lets the agent write the token to a file and keep it fresh. Prints the path;
 * with --env, the line that points programs to it. Only the local agent is asked: another machine's
 * would write there.
 */
export async function keepFile(
  wanted: TokenSelection,
  options: TokenOptions,
  io: Io,
): Promise<void> {
  refuseOthers(options)
  const path = tokenFilePath(options.file ?? true, options.purpose, io)
  const agents = agentAddresses(io.env, io.uid)
  const request = {
    ...wanted,
    request: 'token_file',
    path,
    min_valid_period: options.time,
    strict: options.strict || undefined,
    once: options.once || undefined,
    leave: options.leave || undefined,
  } as const
  const reply = await withAutoload({ account: wanted.account, agents, env: io.env }, () =>
    callAgent(agents.local, request, { timeoutMs: TOKEN_TIMEOUT_MS }),
  )
  printInfo(reply.info, io)
  if ((io.env['BEARER_TOKEN'] ?? '') !== '') {
    io.stderr.write('BEARER_TOKEN is set: programs take that token, not the one in the file.\n')
  }
  io.stdout.write(`${options.env ? exportLine('BEARER_TOKEN_FILE', path) : path}\n`)
}

/** `oidc-token --file-stop`: the file is not kept any longer, and gone. */
export async function stopFile(options: TokenOptions, io: Io): Promise<void> {
  const path = tokenFilePath(options.fileStop ?? true, options.purpose, io)
  const { local } = agentAddresses(io.env, io.uid)
  await callAgent(local, { request: 'token_file_stop', path })
  io.stdout.write(`${path}\n`)
}

/** What prints a token, or asks for another one, is not for a token in a file. */
function refuseOthers(options: TokenOptions): void {
  const { all, token, issuer, expiresAt, bearer, authHeader, idToken, forceNew } = options
  const given = [token, issuer, expiresAt].some((value) => value !== undefined)
  if (given || all || bearer || authHeader || idToken || forceNew) {
    throw usageError(
      'with --file the token is not printed: leave out -a, -o, -i, -e, -f and the like',
    )
  }
}

/**
 * Where the token file is: the path given, else where WLCG Bearer Token Discovery looks (wlcg.md §2).
 * A purpose is appended, for people with more than one token: their programs are pointed to theirs
 * by BEARER_TOKEN_FILE.
 * @throws AgentError `usage` where the purpose is not fit for the end of a file's name
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
