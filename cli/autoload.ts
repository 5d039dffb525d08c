import { type AgentAddress, type AgentAddresses, agentAddresses } from '../protocol/client/call.ts'
import type { CallOptions } from '../protocol/client/connection.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import type { Io } from './run.ts'

/** The account of a request, if the request names one, and the agents that may have it. */
export interface LoadableAccount {
  readonly account: string | undefined
  readonly agents: AgentAddresses
  readonly env: Io['env']
}

/**
 * Sends a request; if the account is not loaded but its file exists, loads it and sends the request again.
 * @throws AgentError what the request or the loading failed with
 */
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

/** The deadline of `--timeout`, if it was given. */
export function callOptions({ timeout }: { readonly timeout: number | undefined }): CallOptions {
  return { timeoutMs: timeout === undefined ? undefined : timeout * 1000 }
}

/** The account or issuer that an operand means. As with the C tools, an issuer begins with `https://`. */
export function targetOf(operand: string): { readonly account?: string; readonly issuer?: string } {
  return operand.startsWith('https://') ? { issuer: operand } : { account: operand }
}

/**
 * The address of the agent a command is for. Undefined if the environment names no local agent:
 * `callAgent` reports that.
 * @throws AgentError `agent-unreachable` if the environment names no remote agent
 */
export function selectAgent(io: Io, which: 'local' | 'remote'): AgentAddress | undefined {
  const address = agentAddresses(io.env, io.uid)[which]
  if (address !== undefined || which === 'local') return address
  throw new AgentError('agent-unreachable', 'OIDC_REMOTE_SOCK env var not set', {
    hint: 'Set it to HOST or HOST:PORT of the remote agent.',
  })
}
