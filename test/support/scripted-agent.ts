import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readMessage } from '../../protocol/client/connection.ts'
import { newKeyPair, openSealedChannel } from '../../protocol/wire/encryption.ts'
import { RequestReader, SealedTextReader } from '../../protocol/wire/framing.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { loadSodium } from '../../protocol/wire/sodium.ts'

/**
 * For tests: an agent with scripted replies, on a Unix socket in the clear, and on a TCP port to sealed
 * requests only: a request in the clear ends without a reply.
 */
export interface ScriptedAgent {
  readonly path: string
  /** `host:port`, the form of `OIDC_REMOTE_SOCK`. */
  readonly address: string
  /** The requests received, in order, without their nonces, which are new each time. */
  readonly requests: readonly JsonObject[]
  close(): Promise<void>
}

/** Starts an agent that sends what `reply` returns: a text unchanged, an object as JSON. */
export async function scriptedAgent(
  reply: (request: JsonObject) => JsonObject | string,
): Promise<ScriptedAgent> {
  const directory = await mkdtemp(join(tmpdir(), 'oidc-scripted-'))
  const requests: JsonObject[] = []
  const replyText = (text: string): string => {
    const received = Object.entries(JSON.parse(text) as JsonObject)
    const request = Object.fromEntries(received.filter(([name]) => name !== 'nonce'))
    requests.push(request)
    const answer = reply(request)
    return typeof answer === 'string' ? answer : JSON.stringify(answer)
  }
  const servers = [
    createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (chunk) => socket.end(replyText(chunk.toString())))
    }),
    createServer((socket) => {
      socket.on('error', () => undefined)
      void serveSealed(socket, replyText).catch(() => socket.destroy())
    }),
  ]
  const [local, remote] = servers
  const path = join(directory, 'agent.sock')
  local?.listen(path)
  remote?.listen(0, '127.0.0.1')
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const bound = remote?.address()
  return {
    path,
    address: `127.0.0.1:${typeof bound === 'object' ? (bound?.port ?? 0) : 0}`,
    requests,
    async close() {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function serveSealed(socket: Socket, replyText: (text: string) => string): Promise<void> {
  const first = await readMessage(socket, new RequestReader())
  if (first.kind === 'object') throw new Error('a request in the clear over TCP')
  const channel = openSealedChannel(await loadSodium(), first.publicKey, newKeyPair())
  const sealed = readMessage(socket, new SealedTextReader())
  socket.write(channel.publicKeyText)
  socket.end(channel.seal(replyText(channel.open(await sealed))))
}
