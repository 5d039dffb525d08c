import type { Environment } from '../../protocol/agent-address.ts'
import { VERSION } from '../../protocol/version.ts'
import { authorizationUrl, exchangeCode } from './authorization-code.ts'
import { ciToken } from './ci-token.ts'
import type { Connections } from './connections.ts'
import { pollDevice, startDevice } from './device.ts'
import { clientCredentials, exchangeToken, password } from './direct-grants.ts'
import { Discovery, metadataOf } from './discovery.ts'
import { HttpFetch } from './http-fetch.ts'
import { keys } from './jwks.ts'
import type { Upstream } from './openid-call.ts'
import { type Patience, PatientFetch, realPatience } from './patient-fetch.ts'
import type { OpenIdProvider } from './provider.ts'
import { refresh } from './refresh.ts'
import { deleteClient, register } from './registration.ts'
import { revoke } from './revocation.ts'
import { DEFAULT_TIMEOUTS, type Timeouts } from './timeouts.ts'

export interface OpenIdProviderOptions {
  readonly timeouts?: Partial<Timeouts>
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly userAgent?: string
  /** The environment, for HTTPS_PROXY and NO_PROXY. Default: no proxy. */
  readonly env?: Environment
  /** How it waits between two tries. */
  readonly patience?: Partial<Patience>
  /** CA bundles of the system, of which the first that exists is trusted besides Node's. */
  readonly systemCaFiles?: readonly string[]
  /** CA bundles that are trusted besides those: what NODE_EXTRA_CA_CERTS names. */
  readonly extraCaFiles?: readonly string[]
}

/** The providers of this world, asked over HTTPS. */
export function createOpenIdProvider(options: OpenIdProviderOptions = {}): OpenIdProvider {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const now = options.now ?? Date.now
  let connections: Promise<Connections> | undefined
  const once = new HttpFetch({
    timeouts,
    userAgent: options.userAgent ?? `oidc-agent-ts/${VERSION}`,
    connections: () => (connections ??= openConnections(timeouts, options)),
  })
  const http = new PatientFetch(once, { ...realPatience, ...options.patience }, timeouts.totalMs)
  const upstream: Upstream = {
    http,
    discovery: new Discovery(http, now),
    recognised: new Map(),
    now,
  }
  return {
    discover: async (address, signal) =>
      metadataOf(await upstream.discovery.find(address, signal), address),
    refresh: (client, grant, signal) => refresh(client, grant, upstream, signal),
    startDevice: (client, wish, signal) => startDevice(client, wish, upstream, signal),
    pollDevice: (client, deviceCode, signal) => pollDevice(client, deviceCode, upstream, signal),
    authorizationUrl: (client, request, signal) =>
      authorizationUrl(client, request, upstream, signal),
    exchangeCode: (client, answer, signal) => exchangeCode(client, answer, upstream, signal),
    password: (client, grant, signal) => password(client, grant, upstream, signal),
    clientCredentials: (client, wish, signal) => clientCredentials(client, wish, upstream, signal),
    exchangeToken: (client, grant, signal) => exchangeToken(client, grant, upstream, signal),
    register: (address, registration, signal) => register(address, registration, upstream, signal),
    deleteClient: (registered, signal) => deleteClient(registered, upstream, signal),
    revoke: (client, refreshToken, signal) => revoke(client, refreshToken, upstream, signal),
    keys: (address, signal) => keys(address, upstream, signal),
    ciToken: (request, signal) => ciToken(request, upstream, signal),
    close: async () => (await connections)?.close(),
  }
}

/** TLS and HTTP take 10 ms and 4 MB to load: only once a provider is asked. */
async function openConnections(
  { connectMs }: Timeouts,
  options: OpenIdProviderOptions,
): Promise<Connections> {
  const { Connections } = await import('./connections.ts')
  const { SYSTEM_CA_FILES } = await import('./ca-bundles.ts')
  return new Connections({
    connectMs,
    systemCaFiles: options.systemCaFiles ?? SYSTEM_CA_FILES,
    extraCaFiles: options.extraCaFiles ?? [],
    env: options.env ?? {},
  })
}
