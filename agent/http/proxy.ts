import * as http from 'node:http'
import * as https from 'node:https'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import type { Environment } from '../../protocol/wire/agent-options.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { isLoopback } from './url-policy.ts'

/**
 * The proxy through which a provider is asked, by HTTPS_PROXY and NO_PROXY as curl reads them, in
 * either case. This machine is never asked through one.
 * @throws AgentError `network` for a proxy that is none
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const written = env['https_proxy'] ?? env['HTTPS_PROXY'] ?? ''
  if (written === '' || isLoopback(url.hostname) || isExempt(url, env)) return undefined
  // `proxy.example:3128` is how people write it, and no URL.
  const text = written.includes('://') ? written : `http://${written}`
  if (URL.canParse(text) && new URL(text).protocol === 'http:') return new URL(text)
  throw new AgentError('network', 'HTTPS_PROXY is not the URL of an HTTP proxy', {
    hint: 'It is to be like http://proxy.example.org:3128',
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
