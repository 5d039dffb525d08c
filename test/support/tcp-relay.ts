import { once } from 'node:events'
import { connect, createServer, type NetConnectOpts } from 'node:net'

/** For tests: a relay from a TCP port to an agent, which records what passes. */
export interface TcpRelay {
  /** `host:port`, the form of `OIDC_REMOTE_SOCK`. */
  readonly address: string
  readonly port: number
  /** The bytes that have passed, in both directions. */
  passed(): string
  close(): Promise<void>
}

/** Starts a relay on the loopback interface. */
export async function startRelay(target: NetConnectOpts): Promise<TcpRelay> {
  let passed = ''
  const server = createServer((socket) => {
    const onward = connect(target)
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      from.on('error', () => to.destroy()).on('data', (chunk) => (passed += chunk.toString()))
      from.pipe(to)
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0
  return {
    address: `127.0.0.1:${port}`,
    port,
    passed: () => passed,
    async close() {
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
