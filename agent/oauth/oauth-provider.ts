import type { Environment } from '../../protocol/wire/agent-options.ts'
import { VERSION } from '../../protocol/wire/version.ts'
import type { ConnectionPools } from '../http/connection-pools.ts'
import { HttpClient } from '../http/http-client.ts'
import { DEFAULT_TIMEOUTS, type Timeouts } from '../http/network-error.ts'
import { defaultRetryPolicy, RetryingHttpClient, type RetryPolicy } from '../http/retry.ts'
import { authorizationCodeGrant, authorizationUrl } from './authorization-code.ts'
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
  type Upstream,
} from './token-endpoint.ts'

export interface OpenIdProviderOptions {
  readonly timeouts?: Partial<Timeouts>
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly userAgent?: string
  /** The environment, for HTTPS_PROXY and NO_PROXY. Default: no proxy. */
  readonly env?: Environment
  /** How it waits between two tries. */
  readonly patience?: Partial<RetryPolicy>
  /** CA bundles of the system, of which the first that exists is trusted besides Node's. */
  readonly systemCaFiles?: readonly string[]
  /** CA bundles that are trusted besides those: what NODE_EXTRA_CA_CERTS names. */
  readonly extraCaFiles?: readonly string[]
}

/** The providers of this world, asked over HTTPS. */
export function createOpenIdProvider(options: OpenIdProviderOptions = {}): OpenIdProvider {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const now = options.now ?? Date.now
  let connections: Promise<ConnectionPools> | undefined
  const once = new HttpClient({
    timeouts,
    userAgent: options.userAgent ?? `oidc-agent-ts/${VERSION}`,
    connections: () => (connections ??= openConnections(timeouts, options)),
  })
  const http = new RetryingHttpClient(
    once,
    { ...defaultRetryPolicy, ...options.patience },
    timeouts.totalMs,
  )
  const upstream: Upstream = {
    http,
    discovery: new Discovery(http, now),
    recognised: new Map(),
    now,
  }
  return {
    discover: async (address, signal) =>
      metadataOf(await upstream.discovery.find(address, signal), address),
    refreshTokenGrant: (client, grant, signal) =>
      refreshTokenGrant(client, grant, upstream, signal),
    deviceAuthorization: (client, parameters, signal) =>
      deviceAuthorization(client, parameters, upstream, signal),
    deviceAccessToken: (client, deviceCode, signal) =>
      deviceAccessToken(client, deviceCode, upstream, signal),
    authorizationUrl: (client, request, signal) =>
      authorizationUrl(client, request, upstream, signal),
    authorizationCodeGrant: (client, response, signal) =>
      authorizationCodeGrant(client, response, upstream, signal),
    passwordGrant: (client, grant, signal) => passwordGrant(client, grant, upstream, signal),
    clientCredentialsGrant: (client, parameters, signal) =>
      clientCredentialsGrant(client, parameters, upstream, signal),
    tokenExchange: (client, grant, signal) => tokenExchange(client, grant, upstream, signal),
    register: (address, registration, signal) => register(address, registration, upstream, signal),
    deleteClient: (registered, signal) => deleteClient(registered, upstream, signal),
    revokeToken: (client, refreshToken, signal) =>
      revokeToken(client, refreshToken, upstream, signal),
    jwks: (address, signal) => jwks(address, upstream, signal),
    ciToken: (request, signal) => ciToken(request, upstream, signal),
    close: async () => (await connections)?.close(),
  }
}

/** TLS and HTTP take 10 ms and 4 MB to load: only once a provider is asked. */
async function openConnections(
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
