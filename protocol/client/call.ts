import { AgentError } from '../wire/errors.ts'
import { parseReply, type Replies, type RequestOf, type RequestType } from '../wire/messages.ts'
import { type CallOptions, readToEnd, withAgent } from './connect.ts'
import type { AgentAddress, AgentAddresses } from './find-agent.ts'

export { type AgentAddress, type AgentAddresses, agentAddresses } from './find-agent.ts'

/**
 * Asks an agent, in the clear: what protects the exchange is the socket's directory. Loads nothing
 * but node:net, for the commands that run thousands of times a day.
 * @throws AgentError what the agent replied, or why it could not be asked
 */
export function callAgent<T extends RequestType>(
  address: AgentAddress | undefined,
  request: RequestOf<T>,
  options: CallOptions = {},
): Promise<Replies[T]> {
  return withAgent(address, options, async (socket) => {
    // One write: the C agent takes what one read finds for the whole message.
    socket.write(JSON.stringify(request))
    return parseReply<T>(request.request, await readToEnd(socket))
  })
}

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
