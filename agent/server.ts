import { createServer, type Server, type Socket } from 'node:net'
import type { KeyPair, SealedChannel } from '../protocol/wire/encryption.ts'
import { AgentError, failureReply, peerError } from '../protocol/wire/errors.ts'
import { encodeReply, RequestReader, SealedTextReader } from '../protocol/wire/framing.ts'
import { parseJsonObject } from '../protocol/wire/json.ts'
import {
  type JsonObject,
  parseRequest,
  type Reply,
  type Request,
} from '../protocol/wire/messages.ts'
import type { Runtime } from './concurrency.ts'
import type { Log } from './log.ts'
import type { Peer } from './peers.ts'

/** The kernel's queue of connections not accepted yet, which the kernel may cut (net.core.somaxconn). */
const BACKLOG = 4096
/** How long a client that was refused has to read why, milliseconds. */
const FAREWELL_MS = 1000
/** Most refused connections that wait so, of all sockets: each has a descriptor of the agent's reserve. */
const MAX_FAREWELLS = 8

export interface ServerParts extends ConnectionParts {
  /** The process at the other end; undefined: it is not admitted. */
  readonly peerOf: (socket: Socket) => Peer | undefined
  /** The connections of all sockets of the agent. */
  readonly connections: ConnectionTable
}

/** A listening agent. */
export interface RunningServer {
  /** Stops accepting and ends open connections with `reason` as their reply. Idempotent. */
  close(reason?: AgentError): Promise<void>
}

/** A peer that is not admitted: nothing of it is read. */
const STRANGER: Peer = {
  role: 'shared',
  share: { ceilings: [], countForced: () => undefined },
  pid: 0,
}

/** Accepts connections on a Unix socket at `path`; resolves once it does. */
export async function startServer(path: string, parts: ServerParts): Promise<RunningServer> {
  const open = new Set<Connection>()
  // A client may half-close after its request; that must not close our half before the reply.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = parts.peerOf(socket)
    const connection = new Connection(socket, peer ?? STRANGER, parts)
    if (peer === undefined) {
      parts.log.warn('refused a connection of another user')
      connection.refuse(peerError('operation-forbidden', { hint: 'The agent is of another user.' }))
      return
    }
    open.add(connection)
    socket.on('close', () => {
      open.delete(connection)
      parts.connections.delete(connection)
    })
    parts.connections.add(connection)
    void connection.serve()
  })
  await listen(server, path)
  return {
    close: async (reason = new AgentError('agent-unreachable', 'the agent is shutting down')) => {
      const closed = new Promise<void>((resolve) => {
        if (server.listening) server.close(() => resolve())
        else resolve()
      })
      for (const connection of open) connection.stop(reason)
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

/** A client that has sent no whole request by then, or takes no reply, is dropped: it holds a slot. */
export const REQUEST_TIMEOUT_MS = 10_000

export interface ConnectionParts {
  /** Opens the sealed mode for a client that began with its public key. */
  readonly openChannel: (peerPublicKey: Uint8Array) => SealedChannel | Promise<SealedChannel>
  readonly answer: (request: Request, peer: Peer, signal: AbortSignal) => Promise<Reply>
  /** How long a client may take for its request, and do nothing about its reply. */
  readonly requestTimeoutMs: number
  readonly log: Log
}

/** The refused connections that wait for their clients, the oldest first. */
const farewells = new Set<Socket>()

/** How bytes become a reply's bytes: plain, or sealed once the keys are exchanged. */
type Encode = (reply: Reply) => Buffer

/**
 * One connection: one request, one reply in the mode of the request, closed. A client may send its
 * request in any pieces. When the client leaves before the reply, `signal` ends its wait and that of no other client.
 */
class Connection implements TableEntry {
  readonly #socket: Socket
  readonly #peer: Peer
  readonly #parts: ConnectionParts
  readonly #gone = new AbortController()
  #encode: Encode = (reply) => encodeReply(JSON.stringify(reply))
  #hasRequest = false

  constructor(socket: Socket, peer: Peer, parts: ConnectionParts) {
    this.#socket = socket
    this.#peer = peer
    this.#parts = parts
    socket.on('error', () => socket.destroy())
    // A client that closes looks like one that only ends its half, until something is written: an empty
    // write fails with EPIPE on the connection of a client that has gone.
    socket.on('end', () => {
      if (socket.writable) socket.write('')
    })
    socket.on('close', () => {
      if (!socket.writableEnded)
        this.#gone.abort(new AgentError('cancelled', 'the client has gone'))
    })
  }

  get pid(): number {
    return this.#peer.pid
  }

  get hasRequest(): boolean {
    return this.#hasRequest
  }

  /** Serves the connection to its end. Never throws. */
  async serve(): Promise<void> {
    try {
      const request = parseRequest(await this.#readBody())
      this.#hasRequest = true
      this.#send(await this.#parts.answer(request, this.#peer, this.#gone.signal))
    } catch (error) {
      if (error instanceof AgentError) {
        this.#send(failureReply(error))
        return
      }
      this.#parts.log.fault('internal error on a connection', error)
      this.#socket.destroy()
    }
  }

  /** Ends a connection whose reply is not out yet, as when the agent ends. The reason is its reply. */
  stop(reason: AgentError): void {
    this.#send(failureReply(reason))
    this.#gone.abort(reason)
  }

  /**
   * Ends a connection that the agent does not serve. What the client still sends is read and dropped for
   * a moment: closing a socket with unread data resets it, and the client may not see the reason.
   */
  refuse(reason: AgentError): void {
    const socket = this.#socket
    this.#gone.abort(reason)
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS)
    socket
      .once('close', () => {
        clearTimeout(timer)
        farewells.delete(socket)
      })
      .once('end', () => socket.destroySoon())
    socket.end(this.#encode(failureReply(reason)))
    socket.resume()
    farewells.add(socket)
    // The reply of the oldest one is in the kernel: its client can still read it.
    for (const oldest of farewells) {
      if (farewells.size <= MAX_FAREWELLS) break
      farewells.delete(oldest)
      oldest.destroy()
    }
  }

  async #readBody(): Promise<JsonObject> {
    const first = await this.#read(new RequestReader())
    if (first.kind === 'object') return first.value
    const channel = await this.#parts.openChannel(first.publicKey)
    this.#socket.write(channel.publicKeyText)
    // The client works out the key at this time; what it sends next finds ours ready.
    channel.deriveSharedKey()
    const text = channel.open(await this.#read(new SealedTextReader()))
    this.#encode = (reply) => Buffer.from(channel.seal(JSON.stringify(reply)))
    return parseJsonObject(text)
  }

  /** Feeds what arrives to `reader` until it has a whole message. */
  #read<T>(reader: { push(chunk: Uint8Array): T | undefined; end(): never }): Promise<T> {
    const socket = this.#socket
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => done(() => reject(this.#late())), this.#parts.requestTimeoutMs)
      const done = (settle: () => void): void => {
        clearTimeout(timer)
        socket.off('data', onData)
        socket.off('end', onEnd)
        socket.off('close', onEnd)
        settle()
      }
      const attempt = (work: () => void): void => {
        try {
          work()
        } catch (error) {
          done(() => reject(error instanceof Error ? error : new Error(String(error))))
        }
      }
      const onData = (chunk: Buffer): void => {
        attempt(() => {
          const message = reader.push(chunk)
          if (message !== undefined) done(() => resolve(message))
        })
      }
      const onEnd = (): void => attempt(() => reader.end())
      socket.on('data', onData)
      socket.on('end', onEnd)
      socket.on('close', onEnd)
    })
  }

  #late(): AgentError {
    return peerError('peer-disconnected', {
      hint: `No whole request arrived within ${this.#parts.requestTimeoutMs / 1000} s.`,
    })
  }

  /** Clients read a reply in one go (protocol.md §1.3): one write, then the end. */
  #send(reply: Reply): void {
    const socket = this.#socket
    if (!socket.writable || socket.writableEnded) return
    socket.setTimeout(this.#parts.requestTimeoutMs, () => socket.destroy())
    // Once the kernel has the reply the client may take its time, but not our slot.
    socket.end(this.#encode(reply), () => socket.destroySoon())
  }
}

/** How long one key pair serves, milliseconds. */
const LIFE_MS = 1000

/**
 * The agent's side of the key exchange. A pair serves the connections of one second: making one
 * takes a third of the time a sealed request takes in all, and the secret of each connection is a
 * fresh one anyway, as the client's pair is new each time (protocol.md §1.4) and nonces are random.
 */
export class RotatingKeyPair {
  readonly #make: () => KeyPair
  readonly #now: Runtime['now']
  #current: { readonly pair: KeyPair; readonly until: number } | undefined

  constructor(make: () => KeyPair, now: Runtime['now']) {
    this.#make = make
    this.#now = now
  }

  get(): KeyPair {
    const now = this.#now()
    if (this.#current === undefined || now >= this.#current.until) {
      this.#current = { pair: this.#make(), until: now + LIFE_MS }
    }
    return this.#current.pair
  }
}

/** A connection as the table sees it. */
export interface TableEntry {
  /** The process at the other end; 0 where the kernel does not tell. */
  readonly pid: number
  /** Whether its whole request has arrived: from then on it is served to its end. */
  readonly hasRequest: boolean
  /** Ends the connection with `reason` as its reply. */
  refuse(reason: AgentError): void
}

/** A table that is full. */
export interface Crowd {
  readonly limit: number
  /** The process that gives up a connection, and how many it keeps; pid 0 where the kernel does not tell. */
  readonly pid: number
  readonly held: number
}

/**
 * The connections that the agent holds, at most `limit`. When there is one too many, the process that
 * holds the most gives up its oldest connection without a whole request. There is no bound for each process:
 * an ssh relay or a container is one process for many clients.
 */
export class ConnectionTable {
  readonly #limit: number
  readonly #full: (crowd: Crowd) => AgentError
  /** By pid, each in the order in which they came. */
  readonly #held = new Map<number, Set<TableEntry>>()
  #size = 0

  /** @param full makes the reply for a connection that has to go */
  constructor(limit: number, full: (crowd: Crowd) => AgentError) {
    this.#limit = limit
    this.#full = full
  }

  get size(): number {
    return this.#size
  }

  /** Takes a connection in; where it is one too many, one connection is ended, perhaps this one. */
  add(entry: TableEntry): void {
    const held = this.#held.get(entry.pid) ?? new Set()
    this.#held.set(entry.pid, held.add(entry))
    this.#size += 1
    if (this.#size <= this.#limit) return
    const last = this.#oldestIdle() ?? entry
    // Out of the table at once: its end takes a moment, in which more may come.
    this.delete(last)
    const { pid } = last
    const left = this.#held.get(pid)?.size ?? 0
    last.refuse(this.#full({ limit: this.#limit, pid, held: left }))
  }

  delete(entry: TableEntry): void {
    const held = this.#held.get(entry.pid)
    if (held?.delete(entry) !== true) return
    this.#size -= 1
    if (held.size === 0) this.#held.delete(entry.pid)
  }

  /** Of the process with the most connections that has one without a whole request. */
  #oldestIdle(): TableEntry | undefined {
    const processes = [...this.#held.values()].sort((one, other) => other.size - one.size)
    for (const held of processes) {
      for (const entry of held) if (!entry.hasRequest) return entry
    }
    return undefined
  }
}
