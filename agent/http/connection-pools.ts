import * as http from 'node:http'
import * as https from 'node:https'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import type { Environment } from '../../protocol/wire/agent-options.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { isLoopback, type OutgoingRequest, type Transport } from './http-client.ts'
import { CONNECT_TIMEOUT } from './network-error.ts'
import {
  type CaFiles,
  checkServerCertificate,
  findCaFiles,
  readSecureContext,
} from './tls-trust.ts'

export interface ConnectionPoolsOptions {
  /** Milliseconds until a connection must be established, TLS included. */
  readonly connectMs: number
  readonly systemCaFiles: readonly string[]
  readonly extraCaFiles: readonly string[]
  /** The environment, for its proxy variables. */
  readonly env: Environment
}

/**
 * Milliseconds an idle connection stays open. Common servers close theirs after five seconds: a request
 * on a connection that is just being closed fails, and must not be sent twice.
 */
const KEEP_ALIVE_MS = 4000

/** Most bytes of response headers. Node's own 16 kB are too few for gateways with large cookies and policies. */
const MAX_HEADER_BYTES = 128 * 1024

interface Pool {
  readonly stamp: string
  readonly agent: Promise<https.Agent>
}

/**
 * Keep-alive connections to providers, one pool per CA bundle, so that callers share a connection only
 * if they trust the same certificates. Built on node:https, as undici needs 17 MB more memory.
 */
export class ConnectionPools implements Transport {
  readonly #options: ConnectionPoolsOptions
  readonly #pools = new Map<string, Pool>()
  readonly #plain = new http.Agent({ keepAlive: true, timeout: KEEP_ALIVE_MS })

  constructor(options: ConnectionPoolsOptions) {
    this.#options = options
  }

  /** Sends a request and resolves with the head of the response. Rejects with Node's own errors. */
  async send(
    url: URL,
    outgoing: OutgoingRequest,
    certPath: string | undefined,
  ): Promise<http.IncomingMessage> {
    const { method, headers, signal } = outgoing
    const request =
      url.protocol === 'https:'
        ? https.request(url, {
            method,
            headers,
            signal,
            maxHeaderSize: MAX_HEADER_BYTES,
            agent: await this.#selectAgent(url, certPath),
          })
        : http.request(url, {
            method,
            headers,
            signal,
            maxHeaderSize: MAX_HEADER_BYTES,
            agent: this.#plain,
          })
    watchConnect(request, this.#options.connectMs)
    return new Promise((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', reject)
      request.end(outgoing.body)
    })
  }

  /** Closes all connections, also those in use. */
  async close(): Promise<void> {
    this.#plain.destroy()
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map(closePool))
  }

  /** The pool for `certPath`; a new one if the bundle has changed on disk. */
  async #selectAgent(url: URL, certPath: string | undefined): Promise<https.Agent> {
    const { systemCaFiles, extraCaFiles, env } = this.#options
    const proxy = proxyFor(url, env)
    const files = await findCaFiles(certPath, systemCaFiles, extraCaFiles)
    const key = JSON.stringify([certPath, proxy?.href])
    const pool = this.#pools.get(key)
    if (pool?.stamp === files.stamp) return pool.agent
    const agent = openPool(files, proxy, this.#options.connectMs)
    this.#pools.set(key, { stamp: files.stamp, agent })
    // If the bundle cannot be read, the next request tries again.
    agent.catch(() => this.#pools.delete(key))
    return agent
  }
}

async function openPool(
  files: CaFiles,
  proxy: URL | undefined,
  connectMs: number,
): Promise<https.Agent> {
  const options = {
    keepAlive: true,
    timeout: KEEP_ALIVE_MS,
    // Said explicitly, as NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default.
    rejectUnauthorized: true,
    checkServerIdentity: checkServerCertificate,
    secureContext: await readSecureContext(files),
  }
  return proxy === undefined ? new https.Agent(options) : new TunnelAgent(proxy, connectMs, options)
}

async function closePool({ agent }: Pool): Promise<void> {
  try {
    ;(await agent).destroy()
  } catch {
    // It was never opened, and the request that needed it has failed with the reason.
  }
}

function watchConnect(request: http.ClientRequest, connectMs: number): void {
  request.once('socket', (socket) => {
    if (request.reusedSocket) return
    const timer = setTimeout(() => {
      request.destroy(Object.assign(new Error('no connection in time'), { code: CONNECT_TIMEOUT }))
    }, connectMs)
    const stop = (): void => clearTimeout(timer)
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', stop)
    request.once('close', stop)
  })
}

/**
 * The proxy for requests to `url`, by HTTPS_PROXY and NO_PROXY as curl reads them, in either case.
 * Undefined for a direct connection, as to loopback addresses always.
 * @throws AgentError `network` if the variable is not the URL of an HTTP proxy.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const written = env['https_proxy'] ?? env['HTTPS_PROXY'] ?? ''
  if (written === '' || isLoopback(url.hostname) || isExempt(url, env)) return undefined
  // People also write `proxy.example:3128`, which is not a URL.
  const text = written.includes('://') ? written : `http://${written}`
  if (URL.canParse(text) && new URL(text).protocol === 'http:') return new URL(text)
  throw new AgentError('network', 'HTTPS_PROXY is not the URL of an HTTP proxy', {
    hint: 'Set it to a URL such as http://proxy.example.org:3128',
  })
}

function isExempt({ hostname, port }: URL, env: Environment): boolean {
  const list = (env['no_proxy'] ?? env['NO_PROXY'] ?? '').split(/[\s,]+/)
  return list.some((entry) => {
    if (entry === '*') return true
    const [, name = '', entryPort] = /^\*?\.?(.+?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
    if (name === '' || (entryPort !== undefined && entryPort !== (port || '443'))) return false
    return hostname === name || hostname.endsWith(`.${name}`)
  })
}

/** Error code of a proxy that refuses or fails to connect. */
const NO_TUNNEL = 'NO_TUNNEL'

type Done = (error: Error | null, socket: Duplex) => void

/** TLS connections through an HTTP proxy (CONNECT, RFC 9110 §9.3.6), which sees only the host name. */
class TunnelAgent extends https.Agent {
  readonly #proxy: URL
  readonly #connectMs: number

  /** @param connectMs milliseconds until the proxy must respond */
  constructor(proxy: URL, connectMs: number, options: https.AgentOptions) {
    super(options)
    this.#proxy = proxy
    this.#connectMs = connectMs
  }

  override createConnection(options: ConnectionOptions, done: Done): undefined {
    const proxy = this.#proxy
    const fail = (why: string): void => {
      const error = new Error(`cannot be reached through the proxy ${proxy.host}: ${why}`)
      // Node's types declare a socket for both cases.
      ;(done as (error: Error) => void)(Object.assign(error, { code: NO_TUNNEL }))
    }
    const target = `${options.host ?? ''}:${options.port ?? 443}`
    const request = http.request({
      host: proxy.hostname,
      port: proxy.port === '' ? 80 : proxy.port,
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...proxyCredentials(proxy) },
      agent: false,
      timeout: this.#connectMs,
    })
    request.once('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) {
        done(null, connect({ ...options, socket }))
        return
      }
      socket.destroy()
      fail(`it answered ${statusCode ?? 0}`)
    })
    request.once('timeout', () => request.destroy(new Error('it does not respond')))
    request.once('error', (error) => fail('code' in error ? String(error.code) : error.message))
    request.end()
  }
}

function proxyCredentials({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
