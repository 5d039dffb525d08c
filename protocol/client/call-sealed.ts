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
import {
  type AgentAddress,
  type CallOptions,
  readMessage,
  readToEnd,
  withAgent,
} from './connection.ts'

/**
 * Sends one request to an agent and returns its reply, encrypted as the C clients do it
 * (protocol.md §1.4).
 * @throws AgentError the error that the agent replied, or the reason why there was no reply
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
    const first = await readFirstMessage(socket)
    // Errors before there is a key are sent in the clear.
    if (first.kind === 'object') return checkReply<T>(request.request, first.value)
    const channel = openSealedChannel(sodium, first.publicKey, keyPair)
    socket.write(channel.seal(JSON.stringify(request)))
    const reply = await readToEnd(socket)
    const text = reply.trimStart().startsWith('{') ? reply : channel.open(reply)
    return parseReply<T>(request.request, text)
  })
}

/** The agent's key, or the reply that it sends instead. */
async function readFirstMessage(socket: Socket): Promise<FirstMessage> {
  const reader = new RequestReader()
  try {
    return await readMessage(socket, reader)
  } catch (error) {
    // The reader was made for requests, and its errors are those of a request; here it reads a reply.
    if (!(error instanceof AgentError) || error.code !== 'bad-request') throw error
    throw peerError('message-malformed', { cause: error })
  }
}
