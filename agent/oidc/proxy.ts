import type { Environment } from '../../protocol/agent-address.ts'
import { AgentError } from '../../protocol/errors.ts'
import { isLoopback } from './web-address.ts'

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
