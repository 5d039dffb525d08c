import { setImmediate as nextTurn } from 'node:timers/promises'
import type {
  AuthorizationCodeParameters,
  AuthorizationRequest,
  Client,
  OpenIdProvider,
  PasswordParameters,
  ProviderMetadata,
  RefreshParameters,
  TokenExchangeParameters,
  TokenParameters,
  TokenResponse,
} from '../../agent/oauth/provider.ts'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { DeviceAuthorization, JsonObject } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'

const defaults: TokenParameters = { scope: undefined, audience: undefined }

/** OpenIdProvider in memory, for tests that need no network. */
export class ScriptedProvider implements OpenIdProvider {
  /** Refresh tokens that were sent. */
  readonly refreshes: string[] = []
  /** Refresh tokens that were issued by rotation. */
  readonly issued: string[] = []
  /** Authorization requests, and the codes that were exchanged. */
  readonly authorizations: AuthorizationRequest[] = []
  readonly exchanges: AuthorizationCodeParameters[] = []
  /** Requests for a token without a refresh token. */
  readonly grants: object[] = []
  /** The client of the last call, by method. */
  readonly clients = new Map<string, Client>()
  /** The provider of the last call, by method. */
  readonly providers = new Map<string, ProviderConfig>()
  mostAtOnce = 0
  /** The clock, milliseconds since 1970. */
  now = (): number => Date.now()
  /** Seconds; undefined: unknown. */
  lifetime: number | undefined = 3600
  rotates = false
  /** The only refresh token that is accepted; undefined: every one that was not replaced by rotation. */
  valid: string | undefined
  grantedScope: string | undefined
  /** The access token of each response; undefined: a different opaque one each time. */
  accessToken: string | undefined
  failure: AgentError | undefined
  hasCodeFlow = true
  hasDeviceFlow = false
  #atOnce = 0
  #held: Promise<void> | undefined
  readonly #spent = new Set<string>()

  /** Delays token responses until the returned function is called. */
  hold(): () => void {
    let release: () => void = () => undefined
    this.#held = new Promise((resolve) => {
      release = () => {
        this.#held = undefined
        resolve()
      }
    })
    return () => release()
  }

  discover(provider: ProviderConfig): Promise<ProviderMetadata> {
    this.providers.set('discover', provider)
    return Promise.resolve({
      issuer: 'https://published.example/',
      scopesSupported: ['openid', 'offline_access'],
      hasDeviceFlow: true,
      hasRegistration: true,
      hasRevocation: true,
      allowsScopeUpgrade: false,
      profile: 'generic',
      profileTitle: 'a provider in memory',
      refreshTokenSeconds: undefined,
    })
  }

  async refreshTokenGrant(client: Client, grant: RefreshParameters): Promise<TokenResponse> {
    this.clients.set('refreshTokenGrant', client)
    const sent = grant.refreshToken.reveal()
    this.refreshes.push(sent)
    this.#atOnce += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce)
    await nextTurn()
    await this.#held
    this.#atOnce -= 1
    if (this.failure !== undefined) throw this.failure
    if ((this.valid !== undefined && sent !== this.valid) || this.#spent.has(sent)) {
      throw new AgentError('refresh-token-dead', 'invalid_grant: refused')
    }
    return this.#respond(grant, this.rotates ? this.#rotate(sent) : undefined)
  }

  deviceAuthorization(client: Client): Promise<DeviceAuthorization> {
    this.clients.set('deviceAuthorization', client)
    if (!this.hasDeviceFlow) {
      return Promise.reject(new AgentError('unsupported-by-provider', 'no device flow here'))
    }
    return Promise.resolve({
      device_code: 'device code',
      user_code: 'AB-CD',
      verification_uri: 'https://published.example/device',
      expires_in: 600,
      interval: 5,
    })
  }

  deviceAccessToken(client: Client): Promise<TokenResponse> {
    this.clients.set('deviceAccessToken', client)
    return Promise.resolve(this.#respond(defaults, new Secret('rt of a device code')))
  }

  authorizationUrl(client: Client, request: AuthorizationRequest): Promise<string> {
    this.clients.set('authorizationUrl', client)
    if (!this.hasCodeFlow) {
      return Promise.reject(new AgentError('unsupported-by-provider', 'no code flow here'))
    }
    this.authorizations.push(request)
    const { redirectUri: redirect_uri, state } = request
    const query = new URLSearchParams({ redirect_uri, state })
    return Promise.resolve(`https://published.example/authorize?${query.toString()}`)
  }

  async authorizationCodeGrant(
    client: Client,
    response: AuthorizationCodeParameters,
  ): Promise<TokenResponse> {
    this.clients.set('authorizationCodeGrant', client)
    this.exchanges.push(response)
    await nextTurn()
    await this.#held
    if (this.failure !== undefined) throw this.failure
    return this.#respond(defaults, new Secret('rt of a code'))
  }

  async passwordGrant(client: Client, grant: PasswordParameters): Promise<TokenResponse> {
    this.clients.set('passwordGrant', client)
    const response = await this.#grant({ grant: 'password', username: grant.username }, grant)
    return { ...response, refreshToken: new Secret('rt of a password') }
  }

  clientCredentialsGrant(
    client: Client,
    { scope, audience }: TokenParameters,
  ): Promise<TokenResponse> {
    this.clients.set('clientCredentialsGrant', client)
    return this.#grant({ grant: 'client_credentials', scope, audience }, { scope, audience })
  }

  tokenExchange(client: Client, grant: TokenExchangeParameters): Promise<TokenResponse> {
    this.clients.set('tokenExchange', client)
    const subjectToken = grant.subjectToken.reveal()
    return this.#grant({ grant: 'token-exchange', subjectToken }, grant)
  }

  register(provider: ProviderConfig): Promise<JsonObject> {
    this.providers.set('register', provider)
    return Promise.reject(new AgentError('unsupported-by-provider', 'no registration here'))
  }

  deleteClient(): Promise<void> {
    return Promise.reject(new AgentError('unsupported-by-provider', 'no registration here'))
  }

  /** Refresh tokens that were revoked. */
  readonly revoked: string[] = []

  revokeToken(client: Client, refreshToken: Secret): Promise<void> {
    this.clients.set('revokeToken', client)
    this.revoked.push(refreshToken.reveal())
    return Promise.resolve()
  }

  ciToken(): Promise<Secret> {
    return Promise.reject(new AgentError('no-subject-token', 'no CI job here'))
  }

  jwks({ issuer, certPath = '' }: ProviderConfig): Promise<JsonObject> {
    return Promise.resolve({ keys: [], asked: [issuer, certPath] })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #grant(sent: object, parameters: TokenParameters): Promise<TokenResponse> {
    this.grants.push(sent)
    await nextTurn()
    await this.#held
    if (this.failure !== undefined) throw this.failure
    return { ...this.#respond(parameters, undefined), accessToken: `gt-${this.grants.length}` }
  }

  #rotate(sent: string): Secret {
    this.#spent.add(sent)
    const next = `rt-${this.refreshes.length}`
    this.issued.push(next)
    this.valid = next
    return new Secret(next)
  }

  #respond(grant: TokenParameters, refreshToken: Secret | undefined): TokenResponse {
    return {
      accessToken: this.accessToken ?? `at-${this.refreshes.length}`,
      expiresAt: this.lifetime === undefined ? undefined : this.now() / 1000 + this.lifetime,
      scope: this.grantedScope ?? grant.scope,
      audience: undefined,
      refreshToken,
      refreshTokenExpiresAt: undefined,
      idToken: undefined,
      clockSkewSeconds: undefined,
    }
  }
}
