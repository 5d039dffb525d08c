import { askAgents } from '../../../protocol/ask-agents.ts'
import { agentAddresses } from '../../../protocol/client.ts'
import { usageError } from '../../argv.ts'
import { orLoaded, targetOf } from '../../or-loaded.ts'
import type { Io } from '../../run.ts'
import { visibleText } from '../../visible-text.ts'
import { oidcToken, type TokenOptions } from '../options.ts'
import { printable } from '../output.ts'
import { boundedText } from './bounded-text.ts'
import { discoveredToken, type FoundToken, tokenIn, tokenInFile } from './discovered-token.ts'

/** Where a token to be looked at may come from. */
export interface Sources {
  readonly io: Io
  /** Opens stdin. */
  readonly stdin: () => AsyncIterable<Buffer>
}

/** The token that was named: by an account, a file, `-`, or not at all. */
export async function findToken(
  operand: string | undefined,
  options: TokenOptions,
  { io, stdin }: Sources,
): Promise<FoundToken> {
  if (options.tokenFile !== undefined) {
    if (operand !== undefined) throw usageError('give an account or --token-file, not both')
    return tokenInFile(options.tokenFile)
  }
  if (operand === undefined) return discoveredToken(io)
  if (operand === '-') return { text: tokenIn(await boundedText(stdin()), 'stdin'), place: 'stdin' }
  return { text: await tokenOf(operand, options, io), place: operand }
}

async function tokenOf(operand: string, options: TokenOptions, io: Io): Promise<string> {
  const target = targetOf(operand)
  const wanted = {
    ...target,
    scope: options.scope.length > 0 ? options.scope.join(' ') : undefined,
    audience: options.audience,
    application_hint: options.name ?? oidcToken.name,
  }
  const agents = agentAddresses(io.env, io.uid)
  const loading = { account: target.account, agents, env: io.env }
  if (options.idToken) {
    const reply = await orLoaded(loading, () =>
      askAgents(agents, { ...wanted, request: 'id_token' }),
    )
    return printable('id token', reply.id_token)
  }
  const min_valid_period = options.forceNew ? -1 : options.time
  const strict = options.strict || undefined
  const reply = await orLoaded(loading, () =>
    askAgents(agents, { ...wanted, request: 'access_token', min_valid_period, strict }),
  )
  if (reply.info !== undefined) io.stderr.write(`${visibleText(reply.info)}\n`)
  return printable('access token', reply.access_token)
}
