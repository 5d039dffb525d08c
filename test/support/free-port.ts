import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** A loopback port on which no program listens at the moment. */
export async function freePort(): Promise<number> {
  const server = await occupyPort()
  const { port } = server
  await server.close()
  return port
}

/** Listens on a free port, as another program would. */
export async function occupyPort(
  host = '127.0.0.1',
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  return { port: portOf(server), close: () => closed(server) }
}

function portOf(server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has a port')
  return address.port
}

async function closed(server: Server): Promise<void> {
  const done = once(server, 'close')
  server.close()
  await done
}
