import { randomInt } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ResultPage } from './result-page.ts'

/**
 * Open connections of one server, at most: a browser opens a handful. With one more, the oldest without a
 * request is closed: any program of this machine can open connections and send nothing.
 */
const MAX_CONNECTIONS = 16
/** Time for a connection to send a whole request; then it is closed. */
const REQUEST_TIMEOUT_MS = 10_000
/** A URL with a long code and state has some kilobytes. */
const MAX_HEADER_BYTES = 32 * 1024
/** Time for responses to be sent while the server closes; then all connections are closed. */
const LAST_RESPONSES_MS = 2_000

/** Returns the page for a request to `path`; undefined if the path is no redirect URI (status 404). */
export type RedirectHandler = (
  path: string,
  query: URLSearchParams,
) => Promise<ResultPage | undefined>

/** A web server on one port of the loopback addresses, to which a provider redirects the browser. */
export interface RedirectServer {
  readonly port: number
  /** Accepts no more connections; resolves when the last responses have been sent. */
  close(): Promise<void>
}

/**
 * Listens on 127.0.0.1 and, if the machine has it, on ::1, and on no other address (RFC 8252 §8.3; the C
 * agent listens on every interface). Does not keep the process running.
 * @returns undefined if another program uses the port on either address: a browser may try both
 */
export async function startRedirectServer(
  port: number,
  handler: RedirectHandler,
): Promise<RedirectServer | undefined> {
  const room = new Room()
  const first = await listen(port, '127.0.0.1', handler, room)
  if (typeof first === 'string') return undefined
  const bound = portOf(first)
  const second = await listen(bound, '::1', handler, room)
  if (typeof second !== 'string') return { port: bound, close: () => closeAll([first, second]) }
  if (second === 'no such address') return { port: bound, close: () => closeAll([first]) }
  await closeAll([first])
  return undefined
}

/** The open connections of one server, on both addresses. */
class Room {
  /** Without a request so far, the oldest first. */
  readonly #idle = new Set<Socket>()
  readonly #busy = new Set<Socket>()

  enter(socket: Socket): void {
    if (this.#idle.size + this.#busy.size >= MAX_CONNECTIONS) {
      const [oldest = socket] = this.#idle
      oldest.destroy()
      // Not only when its end is reported: until then more may come.
      this.#idle.delete(oldest)
      if (oldest === socket) return
    }
    this.#idle.add(socket)
    socket.once('close', () => {
      this.#idle.delete(socket)
      this.#busy.delete(socket)
    })
  }

  /** A whole request has arrived: from now on the connection is served to its end. */
  serves(socket: Socket): void {
    if (this.#idle.delete(socket)) this.#busy.add(socket)
  }
}

function listen(
  port: number,
  host: string,
  handler: RedirectHandler,
  room: Room,
): Promise<Server | 'busy' | 'no such address'> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 5,
      keepAlive: false,
    },
    (request, response) => {
      room.serves(request.socket)
      void serve(request, response, handler)
    },
  )
  server.on('connection', (socket) => {
    // A login that waits must not keep an agent running that has to end.
    socket.unref()
    room.enter(socket)
  })
  server.unref()
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const absent = error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT'
      resolve(absent ? 'no such address' : 'busy')
    })
    server.listen({ port, host }, () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  handler: RedirectHandler,
): Promise<void> {
  // One request per connection: none stays open after the login.
  response.setHeader('connection', 'close')
  response.on('error', () => undefined)
  const page = errorStatusOf(request) ?? (await pageFor(request, handler))
  if (typeof page === 'number') sendStatus(response, page)
  else response.writeHead(page.status, page.headers).end(page.html)
}

/** The page for a request, or the status of an error. */
async function pageFor(
  request: IncomingMessage,
  handler: RedirectHandler,
): Promise<ResultPage | number> {
  const target = targetOf(request)
  if (target === undefined) return 404
  try {
    return (await handler(target.pathname, target.searchParams)) ?? 404
  } catch {
    return 500
  }
}

/**
 * The error status of a request for another host or with another method. The check of `Host` keeps out
 * pages of a foreign domain that was rebound to this machine (DNS rebinding).
 */
function errorStatusOf({ headers, method, socket }: IncomingMessage): number | undefined {
  const { localPort } = socket
  const names = ['localhost', '127.0.0.1', '[::1]'].map((name) => `${name}:${localPort ?? 0}`)
  if (!names.includes((headers.host ?? '').toLowerCase())) return 421
  return method === 'GET' ? undefined : 405
}

function sendStatus(response: ServerResponse, status: number): void {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      ...(status === 405 ? { allow: 'GET' } : {}),
    })
    .end(`${status}\n`)
}

function targetOf({ url }: IncomingMessage): URL | undefined {
  // A request line may have any text, also a whole URL (RFC 9112 §3.2.2).
  const text = `http://localhost${url ?? ''}`
  return url?.startsWith('/') === true && URL.canParse(text) ? new URL(text) : undefined
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map(close))
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), LAST_RESPONSES_MS).unref()
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
  })
}

interface SharedServer {
  readonly server: Promise<RedirectServer | undefined>
  /** How many logins use it. */
  logins: number
}

/**
 * The redirect servers of the agent, one a port. Logins share a port: one that is never finished does
 * not block the only redirect URI of its client.
 */
export class RedirectServers {
  readonly #handlerFor: (port: number) => RedirectHandler
  readonly #open = new Map<number, SharedServer>()

  constructor(handlerFor: (port: number) => RedirectHandler) {
    this.#handlerFor = handlerFor
  }

  /** Starts a server on `port`, or shares the one there, until {@link release}; false if it cannot start. */
  async take(port: number): Promise<boolean> {
    const open = this.#open.get(port) ?? {
      server: startRedirectServer(port, this.#handlerFor(port)),
      logins: 0,
    }
    this.#open.set(port, open)
    open.logins += 1
    if ((await open.server) !== undefined) return true
    await this.release(port)
    return false
  }

  /** Ends one login's use of `port`. The server closes with the last one. */
  async release(port: number): Promise<void> {
    const open = this.#open.get(port)
    if (open === undefined) return
    open.logins -= 1
    if (open.logins > 0) return
    this.#open.delete(port)
    await (await open.server)?.close()
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(open.map(async ({ server }) => (await server)?.close()))
  }
}

/** The scheme that desktops hand to `oidc-gen --codeExchange` (cli.md §1.4). */
const CUSTOM_SCHEME = 'edu.kit.data.oidc-agent:'
/** The redirect URIs of the C agent's public clients (protocol.md §3.5): for accounts without any. */
const usualUris = ['http://localhost:8080', 'http://localhost:4242', 'http://localhost:43985']
/** User ports (RFC 6335 §6): neither reserved for root nor used by outgoing connections. */
const FIRST_USER_PORT = 1024
const LAST_USER_PORT = 49_151

/** The redirect URIs of an account, by kind. */
export interface RedirectUris {
  /** On this machine: the agent can serve them. */
  readonly local: readonly LocalRedirect[]
  /** For the program that handles {@link CUSTOM_SCHEME} on the desktop. */
  readonly custom: readonly string[]
}

export interface LocalRedirect {
  /** As registered: providers compare every character (RFC 9700 §2.1). */
  readonly uri: string
  readonly port: number
  readonly path: string
}

/** Sorts an account's redirect URIs by kind and keeps their order. Others are left out. */
export function redirectUrisOf(uris: readonly string[]): RedirectUris {
  const all = uris.length === 0 ? usualUris : uris
  return {
    local: all.flatMap((uri) => localRedirect(uri) ?? []),
    custom: all.filter((uri) => uri.startsWith(`${CUSTOM_SCHEME}/`)),
  }
}

/** The redirect URIs of a new client, if no option gives any: those of the C agent (cli.md §2). */
export function newClientUris(): readonly string[] {
  const port = randomInt(FIRST_USER_PORT, LAST_USER_PORT + 1)
  return [
    'http://localhost:4242',
    `http://localhost:${port}`,
    'http://localhost:8080',
    `${CUSTOM_SCHEME}/redirect`,
  ]
}

function localRedirect(uri: string): LocalRedirect | undefined {
  if (!URL.canParse(uri)) return undefined
  const { protocol, hostname, port, pathname } = new URL(uri)
  if (protocol !== 'http:' || !['localhost', '127.0.0.1', '[::1]'].includes(hostname)) {
    return undefined
  }
  return { uri, port: port === '' ? 80 : Number(port), path: pathname }
}
