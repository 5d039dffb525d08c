import { agentAddresses, callLocalOrRemote } from '../../protocol/client/call.ts'
import type {
  AccessTokenReply,
  IdTokenReply,
  TokenSelection,
} from '../../protocol/wire/messages.ts'
import { type Arguments, usageError } from '../arguments.ts'
import { callOptions, type LoadableAccount, targetOf, withAutoload } from '../autoload.ts'
import { loginEndWarning, printable, printInfo } from '../printing.ts'
import type { Io } from '../run.ts'
import { oidcToken, type TokenOptions } from './options.ts'
import { outputOf, printed } from './output.ts'

type TokenArguments = Arguments<typeof oidcToken.options>

/**
 * `oidc-token`: gets one token and prints it on stdout, and nothing else; or lets the agent keep it in a
 * file, or shows its content.
 * @returns the exit status of `--inspect`; undefined is success
 */
export async function getToken(
  args: TokenArguments,
  io: Io,
  stdin: () => AsyncIterable<Buffer> = () => process.stdin,
): Promise<number | undefined> {
  if (args.options.inspect) return inspect(args, io, stdin)
  refuseInspectOptions(args.options)
  await printOrKeep(args, io)
  return undefined
}

async function inspect(
  { options, operands }: TokenArguments,
  io: Io,
  stdin: () => AsyncIterable<Buffer>,
): Promise<number> {
  refuseOutputOptions(options)
  const { inspectToken } = await import('./inspect/inspect.ts')
  const fetchToken = (operand: string): Promise<string> => fetchPrintable(operand, options, io)
  return await inspectToken(operands[0], options, { io, stdin, fetchToken })
}

/** The access token, or with --id-token the ID token, that the options select. */
async function fetchPrintable(operand: string, options: TokenOptions, io: Io): Promise<string> {
  const selection = tokenSelection(operand, options)
  if (options.idToken) {
    return printable('id token', (await requestIdToken(selection, options, io)).id_token)
  }
  const { access_token, info } = await requestAccessToken(selection, options, io)
  printInfo(info, io)
  return printable('access token', access_token)
}

async function printOrKeep({ options, operands }: TokenArguments, io: Io): Promise<void> {
  if (options.fileStop !== undefined) {
    const { stopFile } = await import('./token-file.ts')
    await stopFile(options, io)
    return
  }
  const [operand] = operands
  if (operand === undefined) throw usageError('missing argument: ACCOUNT | https://ISSUER')
  const selection = tokenSelection(operand, options)
  if (options.file !== undefined) {
    const { keepFile } = await import('./token-file.ts')
    await keepFile(selection, options, io)
    return
  }
  refuseFileOptions(options)
  const output = outputOf(options)
  if (options.idToken) {
    const { id_token } = await requestIdToken(selection, options, io)
    io.stdout.write(`${printable('id token', id_token)}\n`)
    return
  }
  const reply = await requestAccessToken(selection, options, io)
  const text = printed(output, reply)
  printNotes(reply, selection.account, io)
  io.stdout.write(text)
}

/** Without --inspect these options have no effect: it was forgotten. */
function refuseInspectOptions(options: TokenOptions): void {
  const { verify, json, tokenFile, for: url, op, forAudience, certPath } = options
  const given = [tokenFile, url, op, forAudience, certPath].some((value) => value !== undefined)
  if (!given && !verify && !json) return
  throw usageError('--verify, --json, --for, --cert-path and --token-file go with --inspect')
}

/** With --inspect the token is neither printed nor kept in a file. */
function refuseOutputOptions(options: TokenOptions): void {
  const { all, env, token, issuer, expiresAt, bearer, authHeader, file, fileStop } = options
  const given = [token, issuer, expiresAt, file, fileStop].some((value) => value !== undefined)
  if (given || all || env || bearer || authHeader) {
    throw usageError(
      'with --inspect the token is not printed: leave out -a, -c, -o, --file and similar options',
    )
  }
}

/** Without --file these options have no effect, and a token meant for a file must not be printed. */
function refuseFileOptions({ purpose, once, leave }: TokenOptions): void {
  if (purpose === undefined && !once && !leave) return
  throw usageError('--purpose, --once and --leave go with --file')
}

/** Reports on stderr what was granted differently, and on a terminal that the login ends soon. */
function printNotes(reply: AccessTokenReply, account: string | undefined, io: Io): void {
  const { stderr } = io
  printInfo(reply.info, io)
  const warning = stderr.isTTY === true ? loginEndWarning(reply, account, io.now()) : undefined
  if (warning !== undefined) stderr.write(`${warning}\n`)
}

/** The token that the command line selects. `operand` is an account, or an issuer as a URL. */
function tokenSelection(operand: string, options: TokenOptions): TokenSelection {
  return {
    ...targetOf(operand),
    scope: options.scope.length > 0 ? options.scope.join(' ') : undefined,
    audience: options.audience,
    application_hint: options.name ?? oidcToken.name,
  }
}

/**
 * Gets an access token from the agent. An account that is only on disk is loaded first.
 * @throws AgentError why the agent returns no token
 */
function requestAccessToken(
  selection: TokenSelection,
  options: TokenOptions,
  io: Io,
): Promise<AccessTokenReply> {
  const { forceNew, time, strict } = options
  const loadable = loadableAccount(selection, io)
  const request = {
    ...selection,
    request: 'access_token',
    min_valid_period: forceNew ? -1 : time,
    strict: strict || undefined,
  } as const
  return withAutoload(loadable, () =>
    callLocalOrRemote(loadable.agents, request, callOptions(options)),
  )
}

/** As {@link requestAccessToken}, for an ID token. The agent always requests a new one. */
function requestIdToken(
  selection: TokenSelection,
  options: TokenOptions,
  io: Io,
): Promise<IdTokenReply> {
  const loadable = loadableAccount(selection, io)
  const request = { ...selection, request: 'id_token' } as const
  return withAutoload(loadable, () =>
    callLocalOrRemote(loadable.agents, request, callOptions(options)),
  )
}

function loadableAccount({ account }: TokenSelection, io: Io): LoadableAccount {
  return { account, agents: agentAddresses(io.env, io.uid), env: io.env }
}
