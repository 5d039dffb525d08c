import { AgentError } from '../wire/errors.ts'
import { parseReply, type Replies, type RequestOf, type RequestType } from '../wire/messages.ts'
import { type CallOptions, readToEnd, withAgent } from './connect.ts'
import type { AgentAddress, AgentAddresses } from './find-agent.ts'

export { type AgentAddress, type AgentAddresses, agentAddresses } from './find-agent.ts'

/**
 * Sends one request to an agent and returns its reply, in the clear: the permissions of the
 * socket's directory protect the exchange. Loads nothing but node:net, for the commands that run
 * thousands of times a day.
 * @throws AgentError the error that the agent replied, or the reason why there was no reply
 */
export function callAgent<T extends RequestType>(
  address: AgentAddress | undefined,
  request: RequestOf<T>,
  options: CallOptions = {},
): Promise<Replies[T]> {
  return withAgent(address, options, async (socket) => {
    // One write: the C agent takes the result of one read as the whole message.
    socket.write(JSON.stringify(request))
    return parseReply<T>(request.request, await readToEnd(socket))
  })
}

/**
 * Milliseconds to wait for a token. The agent may be asking the person for a password or a
 * confirmation, for which it allows 300 s; this bound only guards against an agent that hangs.
 */
export const TOKEN_TIMEOUT_MS = 330_000

/**
 * Calls the local agent, and the remote agent if the local one is unreachable or does not know the
 * account. If both fail, the local agent's error is thrown (protocol.md §1.5).
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
