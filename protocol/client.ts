import type { AgentAddress } from './agent-address.ts'
import { type CallOptions, readToEnd, withAgent } from './agent-connection.ts'
import type { Replies, RequestOf, RequestType } from './messages.ts'
import { parseReply } from './parse-reply.ts'

export {
  type AgentAddress,
  type AgentAddresses,
  agentAddresses,
  type Environment,
} from './agent-address.ts'

/**
 * Asks an agent, in the clear: what protects the exchange is the socket's directory. Loads nothing
 * but node:net, for the commands that run thousands of times a day.
 * @throws AgentError what the agent replied, or why it could not be asked
 */
export function callAgent<T extends RequestType>(
  address: AgentAddress | undefined,
  request: RequestOf<T> & { readonly request: T },
  options: CallOptions = {},
): Promise<Replies[T]> {
  return withAgent(address, options, async (socket) => {
    // One write: the C agent takes what one read finds for the whole message.
    socket.write(JSON.stringify(request))
    return parseReply<T>(request.request, await readToEnd(socket))
  })
}
