import { agentAddresses } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { Replies, RequestOf } from '../../protocol/messages.ts'
import type { Arguments } from '../argv.ts'
import type { Io } from '../run.ts'
import { askAgents, type TokenRequestType } from './ask-agents.ts'
import { oidcToken, type TokenOptions } from './options.ts'
import { outputOf, printable, printed } from './output.ts'

/** `oidc-token`: asks for one token and prints it, and nothing else, on stdout. */
export async function getToken(
  { options, operands }: Arguments<typeof oidcToken.options>,
  io: Io,
): Promise<undefined> {
  const output = outputOf(options)
  const wanted = {
    ...targetOf(operands[0] ?? ''),
    scope: options.scope.join(' '),
    audience: options.audience,
    application_hint: options.name ?? oidcToken.name,
  }
  if (options.idToken) {
    const reply = await ask<'id_token'>({ ...wanted, request: 'id_token' }, io)
    io.stdout.write(`${printable('id token', reply.id_token)}\n`)
    return
  }
  const reply = await ask<'access_token'>(
    { ...wanted, request: 'access_token', min_valid_period: minValidPeriod(options) },
    io,
  )
  const text = printed(output, reply)
  if (reply.info !== undefined) io.stderr.write(`${reply.info}\n`)
  io.stdout.write(text)
}

/** As with the C tool, only the literal beginning makes it an issuer. */
function targetOf(operand: string): { readonly account: string } | { readonly issuer: string } {
  return operand.startsWith('https://') ? { issuer: operand } : { account: operand }
}

function minValidPeriod({ forceNew, time }: TokenOptions): number | undefined {
  return forceNew ? -1 : time
}

async function ask<T extends TokenRequestType>(
  request: RequestOf<T> & { readonly account?: string | undefined },
  io: Io,
): Promise<Replies[T]> {
  const addresses = agentAddresses(io.env, io.uid)
  try {
    return await askAgents(addresses, request)
  } catch (error) {
    const { account } = request
    if (!isNotLoaded(error) || account === undefined || addresses.local === undefined) throw error
    const { loadFromDisk } = await import('./load-from-disk.ts')
    await loadFromDisk({ account, agent: addresses.local, env: io.env }, error)
    return await askAgents(addresses, request)
  }
}

function isNotLoaded(error: unknown): error is AgentError {
  if (!(error instanceof AgentError)) return false
  return error.code === 'account-not-loaded' || error.code === 'unknown-account'
}
