import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { ServerCertificate } from './certificates.ts'

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** An HTTPS server on a free loopback port. */
export interface TlsServer {
  readonly port: number
  /** Stops answering and cuts every connection; the port stays known for {@link up}. */
  readonly down: () => Promise<void>
  /** Answers again, on the same port. */
  readonly up: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Starts a server; `port` 0 takes a free one. */
export async function startTlsServer(
  certificate: ServerCertificate,
  listener: RequestListener,
  port = 0,
): Promise<TlsServer> {
  const server = createServer({ cert: certificate.cert, key: certificate.key }, listener)
  // A client that ends its connection in the middle of things is part of the tests.
  server.on('tlsClientError', () => undefined)
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const listen = async (wanted: number): Promise<void> => {
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
  }
  const down = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await listen(port)
  const address = server.address() as AddressInfo
  return { port: address.port, down, up: () => listen(address.port), close: down }
}
