import type { Socket } from 'node:net'
import { newKeyPair, openSealedChannel } from '../wire/encryption.ts'
import { AgentError, peerError } from '../wire/errors.ts'
import { type FirstMessage, RequestReader } from '../wire/framing.ts'
import {
  checkReply,
  parseReply,
  type Replies,
  type RequestOf,
  type RequestType,
} from '../wire/messages.ts'
import { loadSodium } from '../wire/sodium.ts'
import { encodeBase64 } from '../wire/text.ts'
import { type CallOptions, readMessage, readToEnd, withAgent } from './connect.ts'
import type { AgentAddress } from './find-agent.ts'

/**
 * Asks an agent, encrypted as the C clients do it (protocol.md §1.4).
 * @throws AgentError what the agent replied, or why it could not be asked
 */
export async function callAgentSealed<T extends RequestType>(
  address: AgentAddress | undefined,
  request: RequestOf<T>,
  options: CallOptions = {},
): Promise<Replies[T]> {
  const sodium = await loadSodium()
  const keyPair = newKeyPair()
  return withAgent(address, options, async (socket) => {
    socket.write(encodeBase64(keyPair.publicKey))
    const answer = await readAnswer(socket)
    // What goes wrong before there is a key is said in the clear.
    if (answer.kind === 'object') return checkReply<T>(request.request, answer.value)
    const channel = openSealedChannel(sodium, answer.publicKey, keyPair)
    socket.write(channel.seal(JSON.stringify(request)))
    const reply = await readToEnd(socket)
    const text = reply.trimStart().startsWith('{') ? reply : channel.open(reply)
    return parseReply<T>(request.request, text)
  })
}

/** The agent's key, or the object it answers with instead. */
async function readAnswer(socket: Socket): Promise<FirstMessage> {
  const reader = new RequestReader()
  try {
    return await readMessage(socket, reader)
  } catch (error) {
    // The reader takes what it reads for a request; here it is an answer.
    if (!(error instanceof AgentError) || error.code !== 'bad-request') throw error
    throw peerError('message-malformed', { cause: error })
  }
}
