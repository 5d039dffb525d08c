import { type AgentAddresses, callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { Replies, RequestOf } from '../../protocol/messages.ts'

/**
 * The agent may be asking the person for a password or a confirmation meanwhile, for which it gives
 * 300 s; this only guards against an agent that hangs.
 */
export const AGENT_TIMEOUT_MS = 330_000

/**
 * Asks the local agent, and the remote one where the local one is not there or does not know the
 * account. If that fails too, the local agent's error is the one to tell (protocol.md §1.5).
 */
export async function askAgents<T extends 'access_token' | 'id_token'>(
  addresses: AgentAddresses,
  request: RequestOf<T>,
): Promise<Replies[T]> {
  try {
    return await callAgent(addresses.local, request, { timeoutMs: AGENT_TIMEOUT_MS })
  } catch (localError) {
    if (addresses.remote === undefined || !isForRemote(localError)) throw localError
    try {
      return await callAgent(addresses.remote, request, { timeoutMs: AGENT_TIMEOUT_MS })
    } catch {
      throw localError
    }
  }
}

function isForRemote(error: unknown): boolean {
  if (!(error instanceof AgentError)) return false
  return error.code === 'unknown-account' || error.code === 'agent-unreachable'
}
