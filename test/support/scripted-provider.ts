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

/** A provider in memory, behind the agent's own contract, for what needs no network to be true. */
export class ScriptedProvider implements OpenIdProvider {
  /** Refresh tokens as they were sent. */
  readonly refreshes: string[] = []
  /** Refresh tokens handed out by rotation. */
  readonly issued: string[] = []
  mostAtOnce = 0
  /** Seconds; undefined: the provider does not say. */
  lifetime: number | undefined = 3600
  rotates = false
  /** The only refresh token accepted; undefined: any that was not rotated away. */
  valid: string | undefined
  grantedScope: string | undefined
  failure: AgentError | undefined
  #atOnce = 0
  #held: Promise<void> | undefined
  readonly #spent = new Set<string>()

  /** Lets refreshes wait until the returned function is called. */
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

  discover(): Promise<ProviderMetadata> {
    return Promise.resolve({
      issuer: 'https://published.example/',
      scopesSupported: ['openid', 'offline_access'],
      hasDeviceFlow: true,
      hasRegistration: true,
      hasRevocation: true,
      allowsScopeUpgrade: false,
      profile: 'conforming',
      profileTitle: 'a provider in memory',
      refreshTokenSeconds: undefined,
    })
  }

  async refreshTokenGrant(_client: Client, grant: RefreshParameters): Promise<TokenResponse> {
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
    return this.#answer(grant, this.rotates ? this.#rotate(sent) : undefined)
  }

  deviceAuthorization(): Promise<DeviceAuthorization> {
    return Promise.reject(new AgentError('unsupported-by-provider', 'no device flow here'))
  }

  deviceAccessToken(): Promise<TokenResponse> {
    return Promise.reject(new AgentError('unsupported-by-provider', 'no device flow here'))
  }

  /** Authorizations asked for, and the codes that came of them. */
  readonly authorizations: AuthorizationRequest[] = []
  readonly exchanges: AuthorizationCodeParameters[] = []
  /** False: the provider has no authorization endpoint. */
  hasCodeFlow = true

  authorizationUrl(_client: Client, request: AuthorizationRequest): Promise<string> {
    if (!this.hasCodeFlow) {
      return Promise.reject(new AgentError('unsupported-by-provider', 'no code flow here'))
    }
    this.authorizations.push(request)
    const { redirectUri: redirect_uri, state } = request
    const query = new URLSearchParams({ redirect_uri, state })
    return Promise.resolve(`https://published.example/authorize?${query.toString()}`)
  }

  async authorizationCodeGrant(
    _client: Client,
    answer: AuthorizationCodeParameters,
  ): Promise<TokenResponse> {
    this.exchanges.push(answer)
    await nextTurn()
    await this.#held
    if (this.failure !== undefined) throw this.failure
    const wish = { scope: undefined, audience: undefined }
    return this.#answer(wish, new Secret('rt of a code'))
  }

  /** What was asked without a refresh token, as it was sent. */
  readonly grants: object[] = []

  async passwordGrant(_client: Client, grant: PasswordParameters): Promise<TokenResponse> {
    const response = await this.#grant({ grant: 'password', username: grant.username }, grant)
    return { ...response, refreshToken: new Secret('rt of a password') }
  }

  clientCredentialsGrant(
    _client: Client,
    { scope, audience }: TokenParameters,
  ): Promise<TokenResponse> {
    return this.#grant({ grant: 'client_credentials', scope, audience }, { scope, audience })
  }

  tokenExchange(_client: Client, grant: TokenExchangeParameters): Promise<TokenResponse> {
    const subjectToken = grant.subjectToken.reveal()
    return this.#grant({ grant: 'token-exchange', subjectToken }, grant)
  }

  register(): Promise<JsonObject> {
    return Promise.reject(new AgentError('unsupported-by-provider', 'no registration here'))
  }

  deleteClient(): Promise<void> {
    return Promise.reject(new AgentError('unsupported-by-provider', 'no registration here'))
  }

  /** Refresh tokens that were revoked. */
  readonly revoked: string[] = []

  revokeToken(_client: Client, refreshToken: Secret): Promise<void> {
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

  async #grant(sent: object, wish: TokenParameters): Promise<TokenResponse> {
    this.grants.push(sent)
    await nextTurn()
    await this.#held
    if (this.failure !== undefined) throw this.failure
    return { ...this.#answer(wish, undefined), accessToken: `gt-${this.grants.length}` }
  }

  #rotate(sent: string): Secret {
    this.#spent.add(sent)
    const next = `rt-${this.refreshes.length}`
    this.issued.push(next)
    this.valid = next
    return new Secret(next)
  }

  #answer(grant: TokenParameters, refreshToken: Secret | undefined): TokenResponse {
    return {
      accessToken: `at-${this.refreshes.length}`,
      expiresAt: this.lifetime === undefined ? undefined : Date.now() / 1000 + this.lifetime,
      scope: this.grantedScope ?? grant.scope,
      audience: undefined,
      refreshToken,
      refreshTokenExpiresAt: undefined,
      idToken: undefined,
      clockSkewSeconds: undefined,
    }
  }
}
