import { type AgentAddresses, agentAddresses } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { Arguments } from '../argv.ts'
import type { Io } from '../run.ts'
import { visibleText } from '../visible-text.ts'
import { askAgents } from './ask-agents.ts'
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
    scope: options.scope.length > 0 ? options.scope.join(' ') : undefined,
    audience: options.audience,
    application_hint: options.name ?? oidcToken.name,
  }
  const agents = agentAddresses(io.env, io.uid)
  const loading = { account: wanted.account, agents, env: io.env }
  if (options.idToken) {
    const reply = await orLoaded(loading, () =>
      askAgents(agents, { ...wanted, request: 'id_token' }),
    )
    io.stdout.write(`${printable('id token', reply.id_token)}\n`)
    return
  }
  const min_valid_period = minValidPeriod(options)
  const reply = await orLoaded(loading, () =>
    askAgents(agents, { ...wanted, request: 'access_token', min_valid_period }),
  )
  const text = printed(output, reply)
  if (reply.info !== undefined) io.stderr.write(`${visibleText(reply.info)}\n`)
  io.stdout.write(text)
}

/** As with the C tool, only the literal beginning makes it an issuer. */
function targetOf(operand: string): { readonly account?: string; readonly issuer?: string } {
  return operand.startsWith('https://') ? { issuer: operand } : { account: operand }
}

function minValidPeriod({ forceNew, time }: TokenOptions): number | undefined {
  return forceNew ? -1 : time
}

/** Asks, and if the account is not loaded but could be, loads it and asks again. */
async function orLoaded<R>(
  { account, agents, env }: { account: string | undefined; agents: AgentAddresses; env: Io['env'] },
  ask: () => Promise<R>,
): Promise<R> {
  try {
    return await ask()
  } catch (error) {
    if (!isNotLoaded(error) || account === undefined || agents.local === undefined) throw error
    const { loadFromDisk } = await import('./load-from-disk.ts')
    await loadFromDisk({ account, agent: agents.local, env }, error)
    return await ask()
  }
}

function isNotLoaded(error: unknown): error is AgentError {
  if (!(error instanceof AgentError)) return false
  return error.code === 'account-not-loaded' || error.code === 'unknown-account'
}
