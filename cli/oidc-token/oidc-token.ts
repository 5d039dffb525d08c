import type { AccessTokenReply } from '../../protocol/wire/messages.ts'
import { type Arguments, usageError } from '../arguments.ts'
import { loginEndWarning, printInfo } from '../printing.ts'
import type { Io } from '../run.ts'
import type { oidcToken, TokenOptions } from './options.ts'
import { outputOf, printable, printed } from './output.ts'
import { requestAccessToken, requestIdToken, tokenSelection } from './token-request.ts'

/**
 * `oidc-token`: asks for one token and prints it, and nothing else, on stdout; or keeps it in a file,
 * or shows what is in it.
 */
export async function getToken(
  args: Arguments<typeof oidcToken.options>,
  io: Io,
): Promise<number | undefined> {
  if (args.options.inspect) {
    const { inspectToken } = await import('./inspect/inspect.ts')
    return inspectToken(args.operands[0], args.options, { io })
  }
  refuseInspection(args.options)
  await printOrKeep(args, io)
  return undefined
}

async function printOrKeep(
  { options, operands }: Arguments<typeof oidcToken.options>,
  io: Io,
): Promise<void> {
  if (options.fileStop !== undefined) {
    const { stopFile } = await import('./token-file.ts')
    await stopFile(options, io)
    return
  }
  const [operand] = operands
  if (operand === undefined) throw usageError('missing argument: ACCOUNT | https://ISSUER')
  const wanted = tokenSelection(operand, options)
  if (options.file !== undefined) {
    const { keepFile } = await import('./token-file.ts')
    await keepFile(wanted, options, io)
    return
  }
  refuseFileOptions(options)
  const output = outputOf(options)
  if (options.idToken) {
    const { id_token } = await requestIdToken(wanted, io)
    io.stdout.write(`${printable('id token', id_token)}\n`)
    return
  }
  const reply = await requestAccessToken(wanted, options, io)
  const text = printed(output, reply)
  tellPerson(reply, wanted.account, io)
  io.stdout.write(text)
}

/** Forgotten: without it these would do nothing. */
function refuseInspection(options: TokenOptions): void {
  const { verify, json, tokenFile, for: url, op, forAudience, certPath } = options
  const given = [tokenFile, url, op, forAudience, certPath].some((value) => value !== undefined)
  if (!given && !verify && !json) return
  throw usageError('--verify, --json, --for, --cert-path and --token-file go with --inspect')
}

/** Likewise; and a token that was meant for a file is not to be printed. */
function refuseFileOptions({ purpose, once, leave }: TokenOptions): void {
  if (purpose === undefined && !once && !leave) return
  throw usageError('--purpose, --once and --leave go with --file')
}

/** What was granted otherwise than asked for; and, where a person reads it, that the login ends soon. */
function tellPerson(reply: AccessTokenReply, account: string | undefined, io: Io): void {
  const { stderr } = io
  printInfo(reply.info, io)
  const warning = stderr.isTTY === true ? loginEndWarning(reply, account, io.now()) : undefined
  if (warning !== undefined) stderr.write(`${warning}\n`)
}
