import { type ProviderConfig, sameIssuer } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { raceAbort } from '../concurrency.ts'
import {
  checkUrl,
  configEndpointOf,
  type HttpResponse,
  type Trust,
  trustFor,
  urlOf,
} from '../http/http-client.ts'
import { cancelled } from '../http/network-error.ts'
import type { RetryingHttpClient } from '../http/retry.ts'
import { type RequestContext, successBody } from '../providers/error-response.ts'
import { detectProfile } from '../providers/products.ts'
import type { ProviderProfile } from '../providers/profiles.ts'
import type { ProviderMetadata } from './provider.ts'

/** Milliseconds that a discovery document is cached: endpoints rarely change, and a user may be waiting. */
export const DISCOVERY_CACHE_MS = 600_000
/** Redirects that are followed within one origin; more are a loop. */
const MAX_REDIRECTS = 3
const REQUEST: RequestContext = { purpose: 'discovery', secrets: [] }

/** A provider as its discovery document describes it. */
export interface DiscoveredProvider {
  readonly document: DiscoveryDocument
  readonly profile: ProviderProfile
}

interface Cached {
  readonly discovered: Promise<DiscoveredProvider>
  until: number
}

/** Fetches and caches discovery documents. Concurrent calls for one provider share a request. */
export class Discovery {
  readonly #http: RetryingHttpClient
  readonly #now: () => number
  readonly #cache = new Map<string, Cached>()

  constructor(http: RetryingHttpClient, now: () => number) {
    this.#http = http
    this.#now = now
  }

  /**
   * The discovery document of a provider and its profile. An aborted `signal` ends this wait, but not the
   * shared request.
   * @throws AgentError also `wrong-issuer`, if the document is another provider's.
   */
  async find(provider: ProviderConfig, signal: AbortSignal): Promise<DiscoveredProvider> {
    const { issuer, certPath, profile } = provider
    const key = JSON.stringify([issuer, configEndpointOf(provider), certPath, profile])
    const cached = this.#cache.get(key)
    const fresh = cached !== undefined && this.#now() < cached.until
    const { discovered } = fresh ? cached : this.#start(key, provider)
    try {
      return await raceAbort(discovered, signal)
    } catch (error) {
      throw error instanceof AgentError ? error : cancelled(signal)
    }
  }

  #start(key: string, provider: ProviderConfig): Cached {
    const started: Cached = { discovered: this.#fetch(provider), until: Infinity }
    this.#cache.set(key, started)
    started.discovered.then(
      () => {
        started.until = this.#now() + DISCOVERY_CACHE_MS
      },
      () => {
        // A failure is not cached: the provider may be available again.
        if (this.#cache.get(key) === started) this.#cache.delete(key)
      },
    )
    return started
  }

  async #fetch(provider: ProviderConfig): Promise<DiscoveredProvider> {
    const trust = trustFor(provider)
    // The request is shared: only its own deadline ends it, not the signal of the first caller.
    const { signal } = new AbortController()
    const response = await this.#firstFound(candidateUrls(provider), trust, signal)
    const content = successBody(response, REQUEST)
    const document = checkedDocument(content, provider, response.url.host)
    return { document, profile: detectProfile(provider, document) }
  }

  async #firstFound(
    [url, ...others]: readonly [URL, ...URL[]],
    trust: Trust,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const response = await this.#get(url, trust, signal)
    const [next, ...rest] = others
    if (response.status !== 404 || next === undefined) return response
    const other = await this.#firstFound([next, ...rest], trust, signal)
    // If both return 404, report the first.
    return other.status === 200 ? other : response
  }

  async #get(url: URL, trust: Trust, signal: AbortSignal): Promise<HttpResponse> {
    let target = url
    for (let hop = 0; ; hop += 1) {
      const response = await this.#http.send(
        { url: target.href, method: 'GET', headers: { accept: 'application/json' } },
        trust,
        signal,
      )
      const next = redirectOf(response)
      if (next?.origin !== url.origin || hop === MAX_REDIRECTS) return response
      target = next
    }
  }
}

/** The metadata of the contract. */
export function metadataOf({ document, profile }: DiscoveredProvider): ProviderMetadata {
  return {
    issuer: document.issuer,
    scopesSupported: document.scopes_supported ?? [],
    hasDeviceFlow: document.device_authorization_endpoint !== undefined,
    hasRegistration: document.registration_endpoint !== undefined,
    hasRevocation: document.revocation_endpoint !== undefined,
    profile: profile.name,
    profileTitle: profile.title,
    allowsScopeUpgrade: profile.allowsScopeUpgrade,
    refreshTokenSeconds: profile.refreshTokenSeconds,
  }
}

/** Where the document may be: OpenID Connect Discovery §4, then RFC 8414 §3; or the configured endpoint. */
function candidateUrls(provider: ProviderConfig): readonly [URL, ...URL[]] {
  const written = configEndpointOf(provider)
  if (written !== undefined) return [urlOf(written)]
  const issuer = urlOf(provider.issuer)
  checkUrl(issuer, trustFor(provider))
  const path = issuer.pathname.replace(/\/$/, '')
  return [
    new URL(`${path}/.well-known/openid-configuration`, issuer.origin),
    new URL(`/.well-known/oauth-authorization-server${path}`, issuer.origin),
  ]
}

function redirectOf({ url, status, headers }: HttpResponse): URL | undefined {
  const target = headers['location']
  if (status < 300 || status >= 400 || target === undefined) return undefined
  return URL.canParse(target, url.href) ? new URL(target, url.href) : undefined
}

/** The members of a discovery document (OpenID Connect Discovery §3) that the agent uses, type-checked. */
export interface DiscoveryDocument {
  readonly issuer: string
  readonly token_endpoint: string
  readonly authorization_endpoint?: string
  readonly device_authorization_endpoint?: string
  readonly registration_endpoint?: string
  readonly revocation_endpoint?: string
  readonly jwks_uri?: string
  readonly scopes_supported?: readonly string[]
  readonly token_endpoint_auth_methods_supported?: readonly string[]
  readonly token_endpoint_auth_signing_alg_values_supported?: readonly string[]
  readonly authorization_response_iss_parameter_supported?: boolean
}

/**
 * Checks the discovery document that `host` sent.
 * @throws AgentError `wrong-issuer` if its issuer is not the requested one, `provider-answer` if its
 *   issuer or token endpoint is missing.
 */
function checkedDocument(
  content: JsonObject,
  provider: ProviderConfig,
  host: string,
): DiscoveryDocument {
  const issuer = content['issuer']
  if (typeof issuer !== 'string') {
    throw new AgentError('provider-answer', `${host} sent a discovery document without an issuer`)
  }
  // With only a configuration endpoint given, there is no issuer to compare.
  if (provider.issuer !== '' && !sameIssuer(issuer, provider.issuer)) {
    throw new AgentError(
      'wrong-issuer',
      `Provider uses another issuer url than expected. Expected ${provider.issuer}, got ${providerText(issuer, [])}`,
      { hint: `Use the issuer URL that the provider publishes: ${providerText(issuer, [])}` },
    )
  }
  const endpoint = (name: string): Record<string, string> => {
    const value = content[name]
    return typeof value === 'string' && value !== '' ? { [name]: value } : {}
  }
  const list = (name: string): Record<string, readonly string[]> => {
    const value = content[name]
    return Array.isArray(value) ? { [name]: value.filter((item) => typeof item === 'string') } : {}
  }
  const { token_endpoint } = endpoint('token_endpoint')
  if (token_endpoint === undefined) {
    throw new AgentError(
      'provider-answer',
      'Could not get token endpoint from the configuration endpoint. This could be because of a network issue or because the issuer is not correct.',
    )
  }
  return {
    issuer,
    token_endpoint,
    ...endpoint('authorization_endpoint'),
    ...endpoint('device_authorization_endpoint'),
    ...endpoint('registration_endpoint'),
    ...endpoint('revocation_endpoint'),
    ...endpoint('jwks_uri'),
    ...list('scopes_supported'),
    ...list('token_endpoint_auth_methods_supported'),
    ...list('token_endpoint_auth_signing_alg_values_supported'),
    authorization_response_iss_parameter_supported:
      content['authorization_response_iss_parameter_supported'] === true,
  }
}
