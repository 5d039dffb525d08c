import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientMetadata, Configuration } from 'oidc-provider'
import { Provider } from 'oidc-provider/lib/provider.js'
import { createAuthority, type ServerCertificate } from './certificates.ts'
import { type RequestListener, startLoopbackServer } from './loopback-server.ts'
import {
  again,
  type Counters,
  type FrontSettings,
  newCounters,
  providerFront,
} from './provider-front.ts'
import { answerInteraction } from './provider-pages.ts'
import { newSigningKey, type SigningKey } from './signing-key.ts'
import { type ProviderRules, wlcgConfiguration } from './wlcg-configuration.ts'
import { covered } from './wlcg-scopes.ts'

export interface WlcgProviderOptions extends Partial<ProviderRules> {
  /** The host name in the issuer. */
  readonly host?: 'localhost' | '127.0.0.1'
  /** True: the issuer ends in a slash, as every IAM's does. */
  readonly trailingSlash?: boolean
  readonly latencyMs?: number
  /** Clients registered from the start, e.g. public ones. */
  readonly clients?: readonly ClientMetadata[]
  /** Replaces the valid certificate: an expired one, one of another authority. */
  readonly certificate?: ServerCertificate
}

/** A running provider: the package oidc-provider over TLS, configured like the IAM of a WLCG experiment. */
export interface WlcgProvider {
  readonly issuer: string
  /** PEM file of the authority that signed its certificate. */
  readonly caPath: string
  readonly caPem: string
  readonly counters: Counters
  /** Signs tokens that the provider would not issue: expired ones, ones with a claim missing. */
  readonly sign: SigningKey['sign']
  /** May be changed while it runs. */
  readonly settings: FrontSettings & ProviderRules
  /** Cuts all connections and refuses new ones, until {@link up}. Keeps all state. */
  readonly down: () => Promise<void>
  readonly up: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Starts a provider on a free loopback port. */
export async function startWlcgProvider(options: WlcgProviderOptions = {}): Promise<WlcgProvider> {
  const authority = createAuthority()
  const directory = await mkdtemp(join(tmpdir(), 'wlcg-provider-'))
  const caPath = join(directory, 'ca.pem')
  await writeFile(caPath, authority.pem)
  // Readable by all: tests also run commands as another user.
  await chmod(directory, 0o755)

  const counters = newCounters()
  const settings: FrontSettings & ProviderRules = {
    latencyMs: options.latencyMs ?? 0,
    onRequest: undefined,
    accessTokenSeconds: options.accessTokenSeconds ?? 3600,
    deviceCodeSeconds: options.deviceCodeSeconds ?? 600,
    pollSeconds: options.pollSeconds,
    rotate: options.rotate ?? false,
  }

  // The issuer contains the port: the server listens before the provider exists.
  let listener: RequestListener = (_request, response) => response.writeHead(503).end()
  const server = await startLoopbackServer(
    options.certificate ?? authority.issue(),
    (request, response) => listener(request, response),
  )
  const origin = `https://${options.host ?? 'localhost'}:${server.port}`
  const issuer = options.trailingSlash === true ? `${origin}/` : origin
  const key = newSigningKey()
  const configuration = wlcgConfiguration(settings, options.clients ?? [], key)
  listener = providerFront(counters, settings, answerWith(issuer, configuration, settings))
  return {
    issuer,
    caPath,
    caPem: authority.pem,
    counters,
    sign: key.sign,
    settings,
    down: server.down,
    up: server.up,
    close: async () => {
      await server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function answerWith(
  issuer: string,
  configuration: Configuration,
  rules: ProviderRules,
): Parameters<typeof providerFront>[2] {
  const provider = new Provider(issuer, configuration)
  allowNarrowerPaths(provider)
  provider.use(async (ctx, next) => {
    await next()
    // oidc-provider has no setting for `interval`.
    if (rules.pollSeconds !== undefined && isDeviceAuthorization(ctx.body)) {
      ctx.body = { ...ctx.body, interval: rules.pollSeconds }
    }
  })
  const callback = provider.callback()
  return async (request, response, body) => {
    if (request.url?.startsWith('/interaction/') === true) {
      await answerInteraction(provider, request, response, body)
      return
    }
    await callback(again(request, body), response)
  }
}

function isDeviceAuthorization(body: unknown): body is object {
  return typeof body === 'object' && body !== null && 'device_code' in body
}

/**
 * Lets a refresh request `storage.read:/some/path` if `storage.read:/` was granted. oidc-provider
 * compares scopes word by word; IAM compares paths (wlcg.md §6, "Refresh").
 */
function allowNarrowerPaths(provider: Provider): void {
  provider.Grant.prototype.getResourceScopeFiltered = function filtered(resource, filter) {
    return covered(this.getResourceScope(resource).split(' '), filter).join(' ')
  }
  Object.defineProperty(provider.RefreshToken.prototype, 'scopes', {
    get(this: { readonly scope?: string }): Set<string> {
      const granted = this.scope?.split(' ') ?? []
      const requested = Provider.ctx?.oidc.params?.['scope']
      const narrower = typeof requested === 'string' ? covered(granted, requested.split(' ')) : []
      return new Set([...granted, ...narrower])
    },
  })
}
