import type { AgentAddresses } from './agent-address.ts'
import type { CallOptions } from './agent-connection.ts'
import { callAgent } from './client.ts'
import { AgentError } from './errors.ts'
import type { Replies, RequestOf } from './messages.ts'

/**
 * Milliseconds to wait for a token. The agent may be asking the person for a password or a
 * confirmation meanwhile, for which it gives 300 s; this only guards against an agent that hangs.
 */
export const TOKEN_TIMEOUT_MS = 330_000

/**
 * Asks the local agent, and the remote one where the local one is not there or does not know the
 * account. If that fails too, the local agent's error is the one to tell (protocol.md §1.5).
 * @throws AgentError as {@link callAgent}
 */
export async function callLocalOrRemote<T extends 'access_token' | 'id_token'>(
  { local, remote }: AgentAddresses,
  request: RequestOf<T>,
  { timeoutMs = TOKEN_TIMEOUT_MS, signal }: CallOptions = {},
): Promise<Replies[T]> {
  const call = { timeoutMs, signal }
  try {
    return await callAgent(local, request, call)
  } catch (localError) {
    if (remote === undefined || !isForRemote(localError)) throw localError
    try {
      return await callAgent(remote, request, call)
    } catch {
      throw localError
    }
  }
}

function isForRemote(error: unknown): boolean {
  if (!(error instanceof AgentError)) return false
  return error.code === 'unknown-account' || error.code === 'agent-unreachable'
}
