import { type AgentAddress, type AgentAddresses, agentAddresses } from '../protocol/client/call.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import type { Io } from './run.ts'

/** The account that is asked for, where it is asked for by name, and who is asked. */
export interface LoadableAccount {
  readonly account: string | undefined
  readonly agents: AgentAddresses
  readonly env: Io['env']
}

/** Asks, and if the account is not loaded but could be, loads it and asks again. */
export async function withAutoload<R>(
  { account, agents, env }: LoadableAccount,
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

/** An account by name or by issuer: as with the C tools, only the literal beginning tells. */
export function targetOf(operand: string): { readonly account?: string; readonly issuer?: string } {
  return operand.startsWith('https://') ? { issuer: operand } : { account: operand }
}

/**
 * The agent a command is for. Where the environment names no local one, callAgent has the error.
 * @throws AgentError `agent-unreachable` where it names no remote one.
 */
export function selectAgent(io: Io, which: 'local' | 'remote'): AgentAddress | undefined {
  const address = agentAddresses(io.env, io.uid)[which]
  if (address !== undefined || which === 'local') return address
  throw new AgentError('agent-unreachable', 'OIDC_REMOTE_SOCK env var not set', {
    hint: 'Set it to HOST or HOST:PORT of the remote agent.',
  })
}
