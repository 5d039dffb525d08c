import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** An HTTP proxy whose tunnels all lead to one port of this machine, whatever host they name. */
export interface ConnectProxy {
  readonly host: string
  /** The CONNECT requests, with their credentials. */
  readonly asked: { readonly target: string; readonly authorization: string | undefined }[]
  /** The status of the next responses; 200 opens a tunnel. */
  status: number
  readonly close: () => Promise<void>
}

/** Starts a proxy whose tunnels lead to a loopback port. */
export async function startConnectProxy(port: number): Promise<ConnectProxy> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
  }
  const server = createServer()
  server.on('connection', keep)
  server.on('connect', (request, socket: Socket) => {
    proxy.asked.push({
      target: request.url ?? '',
      authorization: request.headers['proxy-authorization'],
    })
    if (proxy.status !== 200) {
      socket.end(`HTTP/1.1 ${proxy.status} No\r\n\r\n`)
      return
    }
    const there = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(there).pipe(socket)
    })
    keep(there)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: ConnectProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    status: 200,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}
