import { createServer, type Server, type Socket } from 'node:net'
import { AgentError } from '../protocol/errors.ts'
import { Connection, type ConnectionParts } from './connection.ts'

/** Connections held at a time; more wait in the kernel's queue. Half of the usual limit of open files. */
const MAX_CONNECTIONS = 512
/** The kernel's queue of connections not accepted yet. The C agent's 5 makes bursts of clients fail. */
const BACKLOG = 511

export interface ServerParts extends ConnectionParts {
  /** Whether the process at the other end may talk to us. */
  readonly authorizePeer: (socket: Socket) => boolean
}

/** A listening agent. */
export interface RunningServer {
  /** Stops accepting and ends open connections, telling their clients. Idempotent. */
  close(): Promise<void>
}

/** Accepts connections on a Unix socket at `path`; resolves once it does. */
export async function startServer(path: string, parts: ServerParts): Promise<RunningServer> {
  const open = new Map<Connection, Socket>()
  // A client may half-close after its request; that must not close our half before the reply.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (!parts.authorizePeer(socket)) {
      parts.log.warn('refused a connection of another user')
      socket.destroy()
      return
    }
    const connection = new Connection(socket, parts)
    open.set(connection, socket)
    socket.on('close', () => open.delete(connection))
    void connection.serve()
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, path)
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        if (server.listening) server.close(() => resolve())
        else resolve()
      })
      const reason = new AgentError('agent-unreachable', 'the agent is shutting down')
      for (const connection of open.keys()) connection.stop(reason)
      await closed
    },
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path, backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
