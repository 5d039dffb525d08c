import { randomInt } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { ResultPage } from './result-page.ts'

/** Connections of all at a time: a browser opens a handful. More are refused. */
const MAX_CONNECTIONS = 32
/** A connection that has sent no whole request by then is closed. */
const REQUEST_TIMEOUT_MS = 10_000
/** Addresses with long codes and states come to some kilobytes. */
const MAX_HEADER_BYTES = 32 * 1024
/** Answers under way at the end may still go out; what only waits is cut. */
const LAST_ANSWERS_MS = 2_000

/** The page for a request to `path` (`undefined`: nothing of ours is there). */
export type RedirectHandler = (
  path: string,
  query: URLSearchParams,
) => Promise<ResultPage | undefined>

/** Waits for a browser on one port of the loopback addresses. */
export interface RedirectServer {
  readonly port: number
  /** Stops accepting; answers under way still go out. */
  close(): Promise<void>
}

/**
 * Listens on 127.0.0.1 and, where the machine has it, on ::1, and nowhere else (RFC 8252 §8.3: the
 * C agent's listens on every interface). Does not keep the process running.
 * @returns undefined where the port is not to be had on both: a browser may try either
 */
export async function startRedirectServer(
  port: number,
  answer: RedirectHandler,
): Promise<RedirectServer | undefined> {
  const first = await listen(port, '127.0.0.1', answer)
  if (typeof first === 'string') return undefined
  const bound = portOf(first)
  const second = await listen(bound, '::1', answer)
  if (typeof second !== 'string') return { port: bound, close: () => closeAll([first, second]) }
  if (second === 'no such address') return { port: bound, close: () => closeAll([first]) }
  await closeAll([first])
  return undefined
}

function listen(
  port: number,
  host: string,
  answer: RedirectHandler,
): Promise<Server | 'busy' | 'no such address'> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 5,
      keepAlive: false,
    },
    (request, response) => void serve(request, response, answer),
  )
  server.maxConnections = MAX_CONNECTIONS
  // A login that waits must not keep an agent alive that was told to end.
  server.on('connection', (socket) => socket.unref())
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
  answer: RedirectHandler,
): Promise<void> {
  // One request per connection: nothing is left open when the login is over.
  response.setHeader('connection', 'close')
  response.on('error', () => undefined)
  const refusal = refusalOf(request)
  const page = refusal ?? (await pageFor(request, answer))
  if (typeof page === 'number') refuse(response, page)
  else response.writeHead(page.status, page.headers).end(page.html)
}

/** The page, or the status of none. */
async function pageFor(
  request: IncomingMessage,
  answer: RedirectHandler,
): Promise<ResultPage | number> {
  const target = targetOf(request)
  if (target === undefined) return 404
  try {
    return (await answer(target.pathname, target.searchParams)) ?? 404
  } catch {
    return 500
  }
}

/** RFC 9110 §15.5.20: by its Host, a page of somebody's rebound domain is kept out. */
function refusalOf({ headers, method, socket }: IncomingMessage): number | undefined {
  const { localPort } = socket
  const names = ['localhost', '127.0.0.1', '[::1]'].map((name) => `${name}:${localPort ?? 0}`)
  if (!names.includes((headers.host ?? '').toLowerCase())) return 421
  return method === 'GET' ? undefined : 405
}

function refuse(response: ServerResponse, status: number): void {
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
  // A request line may hold anything, also a whole address.
  const text = `http://localhost${url ?? ''}`
  return url?.startsWith('/') === true && URL.canParse(text) ? new URL(text) : undefined
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map(close))
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS).unref()
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
  })
}

interface OpenPort {
  readonly listener: Promise<RedirectServer | undefined>
  logins: number
}

/**
 * The ports on which browsers are waited for. Logins share a port: one that was never finished does
 * not keep the next from the only redirect URI its client has.
 */
export class RedirectServers {
  readonly #answer: (port: number) => RedirectHandler
  readonly #open = new Map<number, OpenPort>()

  constructor(answer: (port: number) => RedirectHandler) {
    this.#answer = answer
  }

  /** Whether browsers are waited for on `port` now, until {@link release}. */
  async take(port: number): Promise<boolean> {
    const open = this.#open.get(port) ?? {
      listener: startRedirectServer(port, this.#answer(port)),
      logins: 0,
    }
    this.#open.set(port, open)
    open.logins += 1
    if ((await open.listener) !== undefined) return true
    await this.release(port)
    return false
  }

  /** Ends one login's use of `port`; the last one's closes it. */
  async release(port: number): Promise<void> {
    const open = this.#open.get(port)
    if (open === undefined) return
    open.logins -= 1
    if (open.logins > 0) return
    this.#open.delete(port)
    await (await open.listener)?.close()
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(open.map(async ({ listener }) => (await listener)?.close()))
  }
}

/** The scheme that desktops hand to `oidc-gen --codeExchange` (cli.md §1.4). */
const CUSTOM_SCHEME = 'edu.kit.data.oidc-agent:'
/** What the C agent registers public clients with (protocol.md §3.5): tried where an account names none. */
const usualUris = ['http://localhost:8080', 'http://localhost:4242', 'http://localhost:43985']
/** Ports that neither root nor outgoing connections use (RFC 6335 §6, "User Ports"). */
const FIRST_USER_PORT = 1024
const LAST_USER_PORT = 49_151

/** Where the browser may be sent after a login. */
export interface RedirectUris {
  /** On this machine, where a web server of ours can take it. */
  readonly local: readonly LocalRedirect[]
  /** Taken by whatever handles {@link CUSTOM_SCHEME} on the desktop. */
  readonly custom: readonly string[]
}

export interface LocalRedirect {
  /** As registered: providers compare it character by character (RFC 9700 §2.1). */
  readonly uri: string
  readonly port: number
  readonly path: string
}

/** An account's redirect URIs by kind, in their order; what is neither is left out. */
export function redirectUrisOf(uris: readonly string[]): RedirectUris {
  const all = uris.length === 0 ? usualUris : uris
  return {
    local: all.flatMap((uri) => localRedirect(uri) ?? []),
    custom: all.filter((uri) => uri.startsWith(`${CUSTOM_SCHEME}/`)),
  }
}

/** What a client is registered with where the person names none: as by the C agent (cli.md §2). */
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
