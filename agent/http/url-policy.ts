import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'

/** Whom to trust for a provider, and whether it may be asked without TLS. */
export interface Trust {
  readonly certPath: string | undefined
  readonly plainHttp: boolean
}

/** Plain http is for providers on this machine, and only where the person wrote it so. */
export function trustFor(address: ProviderConfig): Trust {
  const written = configEndpointOf(address) ?? address.issuer
  return { certPath: address.certPath, plainHttp: written.startsWith('http://') }
}

/** `(null)` is what the C oidc-gen 5.x sends for "unset" (protocol.md §2.4, scopes). */
export function configEndpointOf({ configEndpoint }: ProviderConfig): string | undefined {
  return configEndpoint === '' || configEndpoint === '(null)' ? undefined : configEndpoint
}

/**
 * The URL of a text.
 * @throws AgentError `bad-request` where it is none.
 */
export function urlOf(text: string): URL {
  if (URL.canParse(text)) return new URL(text)
  throw new AgentError('bad-request', `'${text}' is not a URL`)
}

/**
 * Refuses what would send secrets in the clear.
 * @throws AgentError `insecure-url`
 */
export function checkUrl(url: URL, { plainHttp }: Trust): void {
  if (url.protocol === 'https:') return
  if (url.protocol === 'http:' && plainHttp && isLoopback(url.hostname)) return
  throw new AgentError(
    'insecure-url',
    `${url.protocol}//${url.host} is not asked: only https is, plain http only on this machine's loopback addresses`,
  )
}

/** Whether a host name of a URL stands for this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)
}
