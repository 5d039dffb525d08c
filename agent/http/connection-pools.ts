import * as http from 'node:http'
import * as https from 'node:https'
import type { Environment } from '../../protocol/wire/agent-options.ts'
import { CONNECT_TIMEOUT } from './network-error.ts'
import { proxyFor, TunnelAgent } from './proxy.ts'
import { type CaFiles, findCaFiles, readSecureContext } from './tls-trust.ts'

export interface ConnectionPoolsOptions {
  /** Milliseconds a connection may take to stand, TLS included. */
  readonly connectMs: number
  readonly systemCaFiles: readonly string[]
  readonly extraCaFiles: readonly string[]
  /** The environment, for what it says of proxies. */
  readonly env: Environment
}

/** A request as it goes out. */
export interface OutgoingRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly signal: AbortSignal
}

/**
 * Milliseconds an unused connection is kept. Below the five seconds after which common servers cut
 * it: a request on a connection that is just being cut fails, and must not be sent twice.
 */
const KEEP_MS = 4000

interface Pool {
  readonly stamp: string
  readonly agent: Promise<https.Agent>
}

/**
 * Connections to providers, kept a while, in one pool per CA bundle: a connection is only shared by
 * those who trust the same. Made of node:https and not of undici, which takes 17 MB more.
 */
export class ConnectionPools {
  readonly #options: ConnectionPoolsOptions
  readonly #pools = new Map<string, Pool>()
  readonly #plain = new http.Agent({ keepAlive: true, timeout: KEEP_MS })

  constructor(options: ConnectionPoolsOptions) {
    this.#options = options
  }

  /** Sends a request and resolves with the head of the answer. Rejects as Node does. */
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
            agent: await this.#selectAgent(url, certPath),
          })
        : http.request(url, { method, headers, signal, agent: this.#plain })
    watchConnect(request, this.#options.connectMs)
    return new Promise((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', reject)
      request.end(outgoing.body)
    })
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    this.#plain.destroy()
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map(endPool))
  }

  /** The pool for those who trust `certPath`; a new one when the bundle has changed on disk. */
  async #selectAgent(url: URL, certPath: string | undefined): Promise<https.Agent> {
    const { systemCaFiles, extraCaFiles, env } = this.#options
    const proxy = proxyFor(url, env)
    const files = await findCaFiles(certPath, systemCaFiles, extraCaFiles)
    const key = JSON.stringify([certPath, proxy?.href])
    const pool = this.#pools.get(key)
    if (pool?.stamp === files.stamp) return pool.agent
    const agent = openPool(files, proxy, this.#options.connectMs)
    this.#pools.set(key, { stamp: files.stamp, agent })
    // What cannot be read now is read again the next time.
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
    timeout: KEEP_MS,
    secureContext: await readSecureContext(files),
  }
  return proxy === undefined ? new https.Agent(options) : new TunnelAgent(proxy, connectMs, options)
}

async function endPool({ agent }: Pool): Promise<void> {
  try {
    ;(await agent).destroy()
  } catch {
    // It never opened; whoever asked for it has been told.
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
