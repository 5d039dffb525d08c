import { once } from 'node:events'
import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { ServerCertificate } from './certificates.ts'

export type RequestListener = (request: http.IncomingMessage, response: http.ServerResponse) => void

/** A server on a free loopback port. */
export interface LoopbackServer {
  readonly port: number
  /** Stops listening and cuts every connection; {@link up} uses the same port again. */
  readonly down: () => Promise<void>
  /** Listens again, on the same port. */
  readonly up: () => Promise<void>
  /** Ends the connection of a request by RST instead of FIN. */
  readonly reset: (request: http.IncomingMessage) => void
  /** Presents another certificate to new connections, and cuts the existing ones. */
  readonly present: (certificate: ServerCertificate) => void
  readonly close: () => Promise<void>
}

/** Starts a server: HTTPS with a certificate, plain HTTP without. */
export async function startLoopbackServer(
  certificate: ServerCertificate | undefined,
  listener: RequestListener,
): Promise<LoopbackServer> {
  const server =
    certificate === undefined
      ? http.createServer(listener)
      : https.createServer({ cert: certificate.cert, key: certificate.key }, listener)
  // Tests also end connections during the handshake.
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
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const down = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    cut()
    await closed
  }
  await listen(0)
  const address = server.address() as AddressInfo
  return {
    port: address.port,
    down,
    up: () => listen(address.port),
    reset: (request) => {
      // Only the TCP socket below TLS can be reset; its peer has the same port.
      const { remotePort } = request.socket
      for (const socket of sockets) if (socket.remotePort === remotePort) socket.resetAndDestroy()
    },
    present: ({ cert, key }) => {
      if (server instanceof https.Server) server.setSecureContext({ cert, key })
      cut()
    },
    close: down,
  }
}
