import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from '../../protocol/wire/messages.ts'

/** For tests: an agent with scripted replies, on a Unix socket and on a TCP port. */
export interface ScriptedAgent {
  readonly path: string
  /** `host:port`, the form of `OIDC_REMOTE_SOCK`. */
  readonly address: string
  /** The requests received, in order. */
  readonly requests: readonly JsonObject[]
  close(): Promise<void>
}

/** Starts an agent that sends what `reply` returns: a text unchanged, an object as JSON. */
export async function scriptedAgent(
  reply: (request: JsonObject) => JsonObject | string,
): Promise<ScriptedAgent> {
  const directory = await mkdtemp(join(tmpdir(), 'oidc-scripted-'))
  const requests: JsonObject[] = []
  const servers = [0, 1].map(() =>
    createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (chunk) => {
        const request = JSON.parse(chunk.toString()) as JsonObject
        requests.push(request)
        const answer = reply(request)
        socket.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
      })
    }),
  )
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
