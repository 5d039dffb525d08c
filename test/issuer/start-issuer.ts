import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority, expired, type ServerCertificate } from '../support/certificates.ts'
import { type RequestListener, startLoopbackServer } from '../support/loopback-server.ts'
import { type Fault, type FaultOptions, Faults } from './faults.ts'
import { type Mode, modes } from './modes/modes.ts'
import {
  issuerOf,
  newSigningKey,
  type Provider,
  type Settings,
  secondsNow,
  signingKey,
  urlOf,
} from './provider.ts'
import { type Counters, Ledger, type ReceivedRequest } from './requests.ts'
import { serve } from './serve.ts'
import { defaultScenario, type EndpointName } from './settings.ts'
import { type DeviceCode, type KnownClient, randomToken, Store } from './store.ts'

/** The server's certificate: a good one, or one that a client must not accept. */
export type CertificateChoice = 'good' | 'expired' | 'foreign' | 'other host'

export interface IssuerOptions {
  /** Default: `conforming`. */
  readonly mode?: Mode
  readonly settings?: Partial<Settings>
  /** The host name in the issuer. */
  readonly host?: 'localhost' | '127.0.0.1'
  readonly certificate?: CertificateChoice
}

/** A running provider over TLS on a free loopback port. It behaves as its mode, settings and faults say. */
export interface Issuer {
  /** The issuer identifier, as published. */
  readonly issuer: string
  readonly origin: string
  /** PEM file of the authority that signed its certificate. */
  readonly caPath: string
  readonly caPem: string
  /** The URL of an endpoint. @throws Error if the mode has no such endpoint. */
  readonly url: (endpoint: EndpointName) => string
  /** The present settings. */
  readonly settings: () => Settings
  readonly set: (settings: Partial<Settings>) => void
  /** Plans faults for the next responses of an endpoint, after those already planned. */
  readonly fault: (
    endpoint: EndpointName | 'every',
    faults: Fault | readonly Fault[],
    options?: FaultOptions,
  ) => void
  readonly clearFaults: () => void
  /** Adds a client, as an administrator would; a confidential one by default. */
  readonly addClient: (changes?: Partial<KnownClient>) => KnownClient
  /** @throws Error for an unknown id. */
  readonly client: (id: string) => KnownClient
  /** Changes a client, as an administrator would, e.g. grants it restricted scopes. */
  readonly changeClient: (id: string, change: Partial<KnownClient>) => void
  /** An initial access token (RFC 7591 §3). */
  readonly newInitialAccessToken: () => string
  /** The ID token of a job on a CI platform: a JWT that the token exchange accepts. */
  readonly platformToken: (subject: string, lifetimeSeconds?: number) => Promise<string>
  /** @throws Error for an unknown user code. */
  readonly approve: (userCode: string) => void
  readonly deny: (userCode: string) => void
  /** Shortens the lifetime of everything issued so far; the clock does not change. */
  readonly age: (seconds: number) => void
  /** All requests, oldest first. */
  readonly requests: readonly ReceivedRequest[]
  readonly requestsTo: (endpoint: EndpointName) => readonly ReceivedRequest[]
  readonly counters: () => Counters
  /** Resolves when the endpoint has received `count` requests since the start. */
  readonly received: (endpoint: EndpointName, count?: number) => Promise<void>
  readonly present: (certificate: CertificateChoice) => void
  /** Cuts all connections and refuses new ones, until {@link up}. */
  readonly down: () => Promise<void>
  readonly up: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Starts a provider. */
export async function startIssuer(options: IssuerOptions = {}): Promise<Issuer> {
  const authority = createAuthority()
  const certificates: Readonly<Record<CertificateChoice, () => ServerCertificate>> = {
    good: () => authority.issue(),
    expired: () => authority.issue(expired()),
    foreign: () => createAuthority('an untrusted authority').issue(),
    'other host': () => authority.issue({ dnsNames: ['other.example'] }),
  }
  const directory = await mkdtemp(join(tmpdir(), 'issuer-'))
  const caPath = join(directory, 'ca.pem')
  await writeFile(caPath, authority.pem)

  // The issuer contains the port: the server listens before the provider exists.
  let listener: RequestListener = (_request, response) => response.writeHead(503).end()
  const server = await startLoopbackServer(
    certificates[options.certificate ?? 'good'](),
    (request, response) => listener(request, response),
  )
  const behaviour = modes[options.mode ?? 'conforming']
  const provider: Provider & { settings: Settings } = {
    origin: `https://${options.host ?? 'localhost'}:${server.port}`,
    settings: { ...behaviour, ...defaultScenario, ...options.settings },
    store: new Store(),
    key: await signingKey(),
    platformKey: await newSigningKey('ES256', 'platform-1'),
  }
  const ledger = new Ledger()
  const faults = new Faults()
  const service = { provider, ledger, faults, reset: server.reset }
  listener = (request, response) => {
    serve(service, request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) return
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error))
    })
  }
  return {
    issuer: issuerOf(provider),
    origin: provider.origin,
    caPath,
    caPem: authority.pem,
    url: (endpoint) => urlOf(provider, endpoint),
    settings: () => provider.settings,
    set: (settings) => {
      provider.settings = { ...provider.settings, ...settings }
    },
    fault: (endpoint, fault, faultOptions) => {
      faults.add(endpoint, [fault].flat(), faultOptions)
    },
    clearFaults: () => {
      faults.clear()
    },
    ...administration(provider),
    requests: ledger.requests,
    requestsTo: (endpoint) => ledger.to(endpoint),
    counters: () => ledger.counters,
    received: (endpoint, count = 1) => ledger.received(endpoint, count),
    present: (choice) => {
      server.present(certificates[choice]())
    },
    down: server.down,
    up: server.up,
    close: async () => {
      await server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** What administrators, users and CI platforms do at a provider. */
function administration(
  provider: Provider,
): Pick<
  Issuer,
  | 'addClient'
  | 'client'
  | 'changeClient'
  | 'newInitialAccessToken'
  | 'platformToken'
  | 'approve'
  | 'deny'
  | 'age'
> {
  const { store, platformKey } = provider
  const decide = (userCode: string, decision: DeviceCode['decision']): void => {
    const device = store.byUserCode(userCode)
    if (device === undefined) throw new Error(`unknown user code ${userCode}`)
    device.decision = decision
  }
  const clientOf = (id: string): KnownClient => {
    const client = store.clients.get(id)
    if (client === undefined) throw new Error(`no client ${id}`)
    return client
  }
  return {
    addClient: (changes = {}) => {
      const client = { ...newClientDefaults(), ...changes }
      store.clients.set(client.id, client)
      return client
    },
    client: clientOf,
    changeClient: (id, change) => {
      store.clients.set(id, { ...clientOf(id), ...change })
    },
    newInitialAccessToken: () => {
      const token = randomToken()
      store.initialAccessTokens.add(token)
      return token
    },
    platformToken: (subject, lifetimeSeconds = 300) => {
      const iat = secondsNow(provider)
      const iss = 'https://ci.example'
      return platformKey.sign({ iss, sub: subject, iat, exp: iat + lifetimeSeconds })
    },
    approve: (userCode) => {
      decide(userCode, 'approved')
    },
    deny: (userCode) => {
      decide(userCode, 'denied')
    },
    age: (seconds) => {
      store.age(seconds)
    },
  }
}

function newClientDefaults(): KnownClient {
  return {
    id: `client-${randomToken(6)}`,
    secret: randomToken(),
    authMethod: 'client_secret_basic',
    scope: undefined,
    grantTypes: undefined,
    redirectUris: [],
    jwks: undefined,
    registration: undefined,
  }
}
