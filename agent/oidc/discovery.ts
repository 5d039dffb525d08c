import { AgentError } from '../../protocol/errors.ts'
import { raceAbort } from './deadline.ts'
import { checkedDocument, type DiscoveryDocument } from './discovery-document.ts'
import { detectProfile } from './families.ts'
import type { HttpResponse } from './http-fetch.ts'
import { cancelled } from './network-error.ts'
import type { RetryingHttpClient } from './patient-fetch.ts'
import type { ProviderConfig, ProviderMetadata } from './provider.ts'
import { type Exchange, successOf } from './upstream-error.ts'
import { checkUrl, configEndpointOf, type Trust, trustFor, urlOf } from './web-address.ts'

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
