import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { sameIssuer } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { raceAbort } from '../http/abort.ts'
import type { HttpResponse } from '../http/http-client.ts'
import { cancelled } from '../http/network-error.ts'
import type { RetryingHttpClient } from '../http/retry.ts'
import { checkUrl, configEndpointOf, type Trust, trustFor, urlOf } from '../http/url-policy.ts'
import { type Exchange, successOf } from '../providers/error-response.ts'
import { detectProfile } from '../providers/profiles.ts'
import type { ProviderMetadata } from './provider.ts'

/** Milliseconds a discovery document is believed: endpoints move rarely, and a person may wait. */
export const DISCOVERY_CACHE_MS = 600_000
/** Hops within one origin; more is a loop. */
const MAX_REDIRECTS = 3
const EXCHANGE: Exchange = { purpose: 'discovery', secrets: [] }

interface Cached {
  readonly document: Promise<DiscoveryDocument>
  until: number
}

/** Fetches discovery documents, each once for all who ask at the same time, and keeps them a while. */
export class Discovery {
  readonly #http: RetryingHttpClient
  readonly #now: () => number
  readonly #cache = new Map<string, Cached>()

  constructor(http: RetryingHttpClient, now: () => number) {
    this.#http = http
    this.#now = now
  }

  /** @throws AgentError also `wrong-issuer`, where the document is another provider's. */
  async find(address: ProviderConfig, signal: AbortSignal): Promise<DiscoveryDocument> {
    const key = JSON.stringify([address.issuer, configEndpointOf(address), address.certPath])
    const cached = this.#cache.get(key)
    const fresh = cached !== undefined && this.#now() < cached.until
    const { document } = fresh ? cached : this.#start(key, address)
    try {
      return await raceAbort(document, signal)
    } catch (error) {
      throw error instanceof AgentError ? error : cancelled(signal)
    }
  }

  #start(key: string, address: ProviderConfig): Cached {
    const started: Cached = { document: this.#fetch(address), until: Infinity }
    this.#cache.set(key, started)
    started.document.then(
      () => {
        started.until = this.#now() + DISCOVERY_CACHE_MS
      },
      () => {
        // A failure is not remembered: the provider may be back.
        if (this.#cache.get(key) === started) this.#cache.delete(key)
      },
    )
    return started
  }

  async #fetch(address: ProviderConfig): Promise<DiscoveryDocument> {
    const trust = trustFor(address)
    // It is shared: not ended with the one who happened to ask first, only by its own deadline.
    const { signal } = new AbortController()
    const response = await this.#firstFound(placesOf(address), trust, signal)
    return checkedDocument(successOf(response, EXCHANGE), address, response.url.host)
  }

  async #firstFound(
    [place, ...others]: readonly [URL, ...URL[]],
    trust: Trust,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const response = await this.#get(place, trust, signal)
    const [next, ...rest] = others
    if (response.status !== 404 || next === undefined) return response
    const other = await this.#firstFound([next, ...rest], trust, signal)
    // Where neither exists, the first is the one to complain about.
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

/** What of a document the contract tells. */
export function metadataOf(document: DiscoveryDocument, address: ProviderConfig): ProviderMetadata {
  const profile = detectProfile(address, document)
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

/** Where to look: OpenID Connect Discovery §4, then RFC 8414 §3; or where the person said. */
function placesOf(address: ProviderConfig): readonly [URL, ...URL[]] {
  const written = configEndpointOf(address)
  if (written !== undefined) return [urlOf(written)]
  const issuer = urlOf(address.issuer)
  checkUrl(issuer, trustFor(address))
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

/** A discovery document (OpenID Connect Discovery §3), checked as far as we read it. */
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
 * The document in `content`, which came from `host`.
 * @throws AgentError `wrong-issuer` where it is another provider's than asked for, `provider-answer`
 *   where issuer or token endpoint are missing
 */
function checkedDocument(
  content: JsonObject,
  address: ProviderConfig,
  host: string,
): DiscoveryDocument {
  const issuer = content['issuer']
  if (typeof issuer !== 'string') {
    throw new AgentError('provider-answer', `${host} sent a discovery document without an issuer`)
  }
  // With nothing but a configuration endpoint given, there is no issuer to compare with.
  if (address.issuer !== '' && !sameIssuer(issuer, address.issuer)) {
    throw new AgentError(
      'wrong-issuer',
      `Provider uses another issuer url than expected. Expected ${address.issuer}, got ${providerText(issuer, [])}`,
      { hint: `Use the issuer as the provider writes it: ${providerText(issuer, [])}` },
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
