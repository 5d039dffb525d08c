import type { Environment } from '../../protocol/wire/agent-options.ts'
import { VERSION } from '../../protocol/wire/version.ts'
import type { ConnectionPools } from '../http/connection-pools.ts'
import { HttpClient } from '../http/http-client.ts'
import { DEFAULT_TIMEOUTS, type Timeouts } from '../http/network-error.ts'
import { defaultRetryPolicy, RetryingHttpClient, type RetryPolicy } from '../http/retry.ts'
import { authorizationCodeGrant, authorizationUrl } from './authorization-code.ts'
import type { ProviderContext } from './client-authentication.ts'
import { deviceAccessToken, deviceAuthorization } from './device.ts'
import { Discovery, metadataOf } from './discovery.ts'
import type { OpenIdProvider } from './provider.ts'
import { deleteClient, register } from './registration.ts'
import { jwks, revokeToken } from './revocation-and-keys.ts'
import { ciToken } from './subject-token.ts'
import {
  clientCredentialsGrant,
  passwordGrant,
  refreshTokenGrant,
  tokenExchange,
} from './token-endpoint.ts'

export interface OpenIdProviderOptions {
  readonly timeouts?: Partial<Timeouts>
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly userAgent?: string
  /** The environment, for HTTPS_PROXY and NO_PROXY. Default: no proxy. */
  readonly env?: Environment
  readonly retryPolicy?: Partial<RetryPolicy>
  /** CA bundles of the system: the first that exists is trusted besides Node's authorities. */
  readonly systemCaFiles?: readonly string[]
  /** CA bundles that are trusted as well: those that NODE_EXTRA_CA_CERTS names. */
  readonly extraCaFiles?: readonly string[]
}

/** OpenIdProvider over HTTPS. */
export function createOpenIdProvider(options: OpenIdProviderOptions = {}): OpenIdProvider {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const now = options.now ?? Date.now
  let pools: Promise<ConnectionPools> | undefined
  const http = new RetryingHttpClient(
    new HttpClient({
      timeouts,
      userAgent: options.userAgent ?? `oidc-agent-ts/${VERSION}`,
      transport: () => (pools ??= openPools(timeouts, options)),
    }),
    { ...defaultRetryPolicy, ...options.retryPolicy },
    timeouts.totalMs,
  )
  const discovery = new Discovery(http, now)
  const context: ProviderContext = { http, discovery, knownAuthMethods: new Map(), now }
  return {
    discover: async (provider, signal) => metadataOf(await discovery.find(provider, signal)),
    refreshTokenGrant: (client, grant, signal) => refreshTokenGrant(client, grant, context, signal),
    deviceAuthorization: (client, parameters, signal) =>
      deviceAuthorization(client, parameters, context, signal),
    deviceAccessToken: (client, deviceCode, signal) =>
      deviceAccessToken(client, deviceCode, context, signal),
    authorizationUrl: (client, request, signal) =>
      authorizationUrl(client, request, context, signal),
    authorizationCodeGrant: (client, response, signal) =>
      authorizationCodeGrant(client, response, context, signal),
    passwordGrant: (client, grant, signal) => passwordGrant(client, grant, context, signal),
    clientCredentialsGrant: (client, parameters, signal) =>
      clientCredentialsGrant(client, parameters, context, signal),
    tokenExchange: (client, grant, signal) => tokenExchange(client, grant, context, signal),
    register: (provider, registration, signal) => register(provider, registration, context, signal),
    deleteClient: (registered, signal) => deleteClient(registered, context, signal),
    revokeToken: (client, refreshToken, signal) =>
      revokeToken(client, refreshToken, context, signal),
    jwks: (provider, signal) => jwks(provider, context, signal),
    ciToken: (request, signal) => ciToken(request, context, signal),
    close: async () => (await pools)?.close(),
  }
}

/** The modules for TLS and HTTP need 10 ms and 4 MB, so the first request loads them. */
async function openPools(
  { connectMs }: Timeouts,
  options: OpenIdProviderOptions,
): Promise<ConnectionPools> {
  const { ConnectionPools } = await import('../http/connection-pools.ts')
  const { SYSTEM_CA_FILES } = await import('../http/tls-trust.ts')
  return new ConnectionPools({
    connectMs,
    systemCaFiles: options.systemCaFiles ?? SYSTEM_CA_FILES,
    extraCaFiles: options.extraCaFiles ?? [],
    env: options.env ?? {},
  })
}
