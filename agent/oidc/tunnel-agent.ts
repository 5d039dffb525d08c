import * as http from 'node:http'
import * as https from 'node:https'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'

/** Code of the error of a proxy that gives no connection. */
const NO_TUNNEL = 'NO_TUNNEL'

type Done = (error: Error | null, socket: Duplex) => void

/** TLS connections through an HTTP proxy (RFC 9110 §9.3.6): it sees the host name, and no content. */
export class TunnelAgent extends https.Agent {
  readonly #proxy: URL
  readonly #connectMs: number

  /** @param connectMs milliseconds the proxy may take */
  constructor(proxy: URL, connectMs: number, options: https.AgentOptions) {
    super(options)
    this.#proxy = proxy
    this.#connectMs = connectMs
  }

  override createConnection(options: ConnectionOptions, done: Done): undefined {
    const proxy = this.#proxy
    const fail = (why: string): void => {
      const error = new Error(`is not reached through the proxy ${proxy.host}: ${why}`)
      // Node's types have a socket in both cases.
      ;(done as (error: Error) => void)(Object.assign(error, { code: NO_TUNNEL }))
    }
    const target = `${options.host ?? ''}:${options.port ?? 443}`
    const request = http.request({
      host: proxy.hostname,
      port: proxy.port === '' ? 80 : proxy.port,
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...credentials(proxy) },
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
    request.once('timeout', () => request.destroy(new Error('it does not answer')))
    request.once('error', (error) => fail('code' in error ? String(error.code) : error.message))
    request.end()
  }
}

function credentials({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
