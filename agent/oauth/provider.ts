import type { AudienceParameter, ProviderConfig } from '../../protocol/storage/account.ts'
import type {
  DeviceAuthorization,
  JsonObject,
  SpaceSeparated,
  UnixSeconds,
} from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'

/**
 * The contract between the agent and OpenID providers, which `oauth-provider.ts` implements over HTTPS.
 * It knows nothing of sockets or account state. Every method throws only AgentError.
 *
 * To every HTTP request applies:
 * - Time limits: 5 s to establish the connection (`network`), 15 s for the exchange (`provider-timeout`).
 *   An aborted signal ends it at any point (`cancelled`).
 * - Retries: at most three attempts, none of which begins later than 15 s after the first. A GET is repeated
 *   after `network`, `provider-timeout` and status 429, 502, 503 and 504. A POST or DELETE is repeated only
 *   if the provider certainly did not process it: the connection was refused, there was no route, the host
 *   name was not resolved, or the status is 429 with `Retry-After`. The waits are 125–250 ms and
 *   250–500 ms, in addition to the `Retry-After` of a 429 or 503.
 * - Circuit breaker: after two consecutive failures of an origin (`network` or `provider-timeout`), requests
 *   to it fail fast with the last error until the back-off has elapsed, which doubles from 1 s to 30 s.
 *
 * A method that takes a client or a provider begins with the discovery document. It is cached for ten minutes,
 * and concurrent calls share one request, which the signal of one caller does not end.
 *
 * A method that takes a client sends its POST once more after `invalid-client`, if a second authentication
 * method is possible for this client; the method that works is remembered.
 */
export interface OpenIdProvider {
  /**
   * What the discovery document says (OpenID Connect Discovery §4, then RFC 8414 §3). GET, up to three
   * redirects within the origin.
   * @throws AgentError also `wrong-issuer`, if the document is another provider's.
   */
  discover(provider: ProviderConfig, signal: AbortSignal): Promise<ProviderMetadata>

  /**
   * A new access token by refresh token (RFC 6749 §6). POST: a refresh token that the provider may have
   * processed is never sent again. A new refresh token in a response that cannot be used goes to
   * `grant.recovery`.
   * @throws AgentError also `refresh-token-dead`, if the provider does not accept the token any more.
   */
  refreshTokenGrant(
    client: Client,
    grant: RefreshParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /**
   * Starts a device authorization (RFC 8628 §3.1). POST.
   * @throws AgentError also `unsupported-by-provider`.
   */
  deviceAuthorization(
    client: Client,
    parameters: TokenParameters,
    signal: AbortSignal,
  ): Promise<DeviceAuthorization>

  /**
   * Polls once (RFC 8628 §3.4). POST.
   * @throws AgentError `authorization-pending`, `slow-down`, or the error that ended the flow.
   */
  deviceAccessToken(client: Client, deviceCode: string, signal: AbortSignal): Promise<TokenResponse>

  /**
   * The URL for the user's browser (RFC 6749 §4.1.1), with PKCE by S256 (RFC 7636 §4.3). No request besides
   * discovery.
   * @throws AgentError also `unsupported-by-provider`.
   */
  authorizationUrl(
    client: Client,
    request: AuthorizationRequest,
    signal: AbortSignal,
  ): Promise<string>

  /**
   * Tokens for an authorization code (RFC 6749 §4.1.3). POST. The caller checks `state`.
   * @throws AgentError also `wrong-issuer`, if another provider answered (RFC 9207 §2.4).
   */
  authorizationCodeGrant(
    client: Client,
    response: AuthorizationCodeParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** Tokens for a user name and a password (RFC 6749 §4.3). POST. */
  passwordGrant(
    client: Client,
    grant: PasswordParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** An access token for the client itself (RFC 6749 §4.4). POST. */
  clientCredentialsGrant(
    client: Client,
    parameters: TokenParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** An access token for a subject token (RFC 8693 §2.1). POST. */
  tokenExchange(
    client: Client,
    grant: TokenExchangeParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /**
   * Registers a client (RFC 7591 §3). POST. If the provider refuses a grant type or a redirect URI, the
   * registration is sent again without it, as long as a usable client is left.
   * @returns the provider's response, unchanged.
   * @throws AgentError also `unsupported-by-provider`.
   */
  register(
    provider: ProviderConfig,
    registration: ClientRegistration,
    signal: AbortSignal,
  ): Promise<JsonObject>

  /** Deletes a registered client (RFC 7592 §2.3). DELETE, without discovery. */
  deleteClient(registered: RegisteredClient, signal: AbortSignal): Promise<void>

  /**
   * Revokes a refresh token (RFC 7009). POST. After `invalid-client` or `invalid-request`, the request is
   * sent once more with `client_id` in the form.
   * @throws AgentError also `unsupported-by-provider`.
   */
  revokeToken(client: Client, refreshToken: Secret, signal: AbortSignal): Promise<void>

  /**
   * The provider's public keys (RFC 7517 §5), unchanged. GET, never cached.
   * @throws AgentError also `provider-answer`, if the provider publishes no keys.
   */
  jwks(provider: ProviderConfig, signal: AbortSignal): Promise<JsonObject>

  /**
   * The ID token of the CI job that the agent is part of, from its platform. GET, without discovery.
   * @throws AgentError also `no-subject-token`, for every status but 200.
   */
  ciToken(request: CiTokenRequest, signal: AbortSignal): Promise<Secret>

  /** Closes all connections. */
  close(): Promise<void>
}

/** The request for an ID token to a CI platform. */
export interface CiTokenRequest {
  readonly url: string
  /** The job's own token. */
  readonly bearer: Secret
  readonly audience: string
}

export interface ProviderMetadata {
  /** Exactly as published. */
  readonly issuer: string
  readonly scopesSupported: readonly string[]
  readonly hasDeviceFlow: boolean
  readonly hasRegistration: boolean
  readonly hasRevocation: boolean
  /** The name of its provider profile. */
  readonly profile: string
  /** The title of that profile. */
  readonly profileTitle: string
  /** Whether a refresh may request scopes that the login did not. */
  readonly allowsScopeUpgrade: boolean
  /** Seconds that a refresh token usually lives there; undefined if unknown. */
  readonly refreshTokenSeconds: number | undefined
}

/** How a client authenticates; `automatic`: by a method that the provider supports. */
export type ClientAuthentication =
  | { readonly kind: 'automatic' | 'none' | 'basic' | 'post' }
  /** RFC 7523 §2.2, with the key in a PEM or JWK file. */
  | { readonly kind: 'private_key_jwt'; readonly keyFile: string }

/** A client at a provider. */
export interface Client {
  readonly provider: ProviderConfig
  readonly id: string
  /** Undefined for a public client without one. */
  readonly secret: Secret | undefined
  readonly isPublic: boolean
  /** The configured endpoint; undefined: the published one. */
  readonly deviceAuthorizationEndpoint: string | undefined
  /** The configured request parameter for an audience; undefined: that of the provider's profile. */
  readonly audienceParameter: AudienceParameter | undefined
  readonly authentication: ClientAuthentication
}

/** The requested scope and audience. Undefined: the provider's default. */
export interface TokenParameters {
  readonly scope: SpaceSeparated | undefined
  readonly audience: SpaceSeparated | undefined
}

export interface RefreshParameters extends TokenParameters {
  readonly refreshToken: Secret
  /** Undefined: a new refresh token is lost if its response cannot be used. */
  readonly recovery?: RefreshTokenRecovery | undefined
}

/** What becomes of a new refresh token that a failed refresh has brought nevertheless. */
export interface RefreshTokenRecovery {
  /**
   * Called with the refresh token of a response that is late or cannot be used: before the call fails, or
   * after that with a late response.
   */
  readonly recovered: (refreshToken: Secret) => void
  /**
   * If given, a refresh that was sent is never aborted: the call fails in time as always, and the response
   * is awaited for up to five minutes. Called then; `end` resolves when the response has arrived or failed.
   */
  readonly late?: ((end: Promise<void>) => void) | undefined
}

/** An authorization request (RFC 6749 §4.1.1). */
export interface AuthorizationRequest extends TokenParameters {
  readonly redirectUri: string
  readonly state: string
  /** RFC 7636 §4.2, by S256. */
  readonly codeChallenge: string
  /** Whether a refresh token is requested. */
  readonly offlineAccess: boolean
}

/** The authorization response, as the browser delivered it (RFC 6749 §4.1.2), and the request's own values. */
export interface AuthorizationCodeParameters {
  readonly code: string
  /** The same string as in the request. */
  readonly redirectUri: string
  readonly codeVerifier: string
  /** `iss` of RFC 9207 §2; undefined if the response had none. */
  readonly issuerParameter: string | undefined
}

export interface PasswordParameters extends TokenParameters {
  readonly username: string
  readonly password: Secret
}

export interface TokenExchangeParameters extends TokenParameters {
  readonly subjectToken: Secret
  /** RFC 8693 §3. */
  readonly subjectTokenType: string
}

export interface TokenResponse {
  readonly accessToken: string
  /** From `expires_in`, else the JWT's `exp`, else undefined. */
  readonly expiresAt: UnixSeconds | undefined
  /** `scope` of the response (RFC 6749 §5.1), else the JWT's `scope`, else undefined. */
  readonly scope: SpaceSeparated | undefined
  /** The JWT's `aud`; empty for a JWT without one, undefined for a token that is not a JWT. */
  readonly audience: readonly string[] | undefined
  readonly refreshToken: Secret | undefined
  /** When the refresh token expires: from the response, else its own `exp` if it is a JWT, else undefined. */
  readonly refreshTokenExpiresAt: UnixSeconds | undefined
  readonly idToken: string | undefined
  /** Our clock minus the provider's `Date`; undefined if the response had none. */
  readonly clockSkewSeconds: number | undefined
}

export interface ClientRegistration {
  readonly clientName: string
  readonly scope: SpaceSeparated
  /** Flow names of protocol.md §2.5; they decide grant types and redirect URIs. */
  readonly flows: readonly string[]
  readonly redirectUris: readonly string[]
  /** RFC 7591 §3: initial access token, if the provider requires one. */
  readonly initialAccessToken: Secret | undefined
}

export interface RegisteredClient {
  readonly registrationClientUri: string
  readonly registrationAccessToken: Secret
  readonly certPath: string | undefined
}
