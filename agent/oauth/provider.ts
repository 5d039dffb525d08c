import type { AudienceParameter, ProviderConfig } from '../../protocol/storage/account.ts'
import type {
  DeviceAuthorization,
  JsonObject,
  SpaceSeparated,
  UnixSeconds,
} from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import type { ProviderProfileName } from '../providers/profiles.ts'

/**
 * What the agent asks of an OpenID provider. This file is the contract; `openid-provider.ts`
 * implements it. It knows no sockets, no files but CA bundles, and no account state.
 * Every call takes an AbortSignal, adds its own deadline, and throws only AgentError.
 */
export interface OpenIdProvider {
  /** The discovery document (OpenID Connect Discovery §4, RFC 8414 §3), cached for a while. */
  discover(address: ProviderConfig, signal: AbortSignal): Promise<ProviderMetadata>

  /** A new access token by refresh token (RFC 6749 §6). Asked once: never retried by this layer. */
  refreshTokenGrant(
    client: Client,
    grant: RefreshParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** Starts a device authorization (RFC 8628 §3.1). */
  deviceAuthorization(
    client: Client,
    parameters: TokenParameters,
    signal: AbortSignal,
  ): Promise<DeviceAuthorization>

  /**
   * Polls once (RFC 8628 §3.4).
   * @throws AgentError `authorization-pending`, `slow-down`, or what ended the flow.
   */
  deviceAccessToken(client: Client, deviceCode: string, signal: AbortSignal): Promise<TokenResponse>

  /** The address a person is sent to (RFC 6749 §4.1.1), with PKCE by S256 (RFC 7636 §4.3). */
  authorizationUrl(
    client: Client,
    request: AuthorizationRequest,
    signal: AbortSignal,
  ): Promise<string>

  /**
   * Tokens for what came back to the redirect URI (RFC 6749 §4.1.3). `state` is the caller's to check.
   * @throws AgentError also `wrong-issuer`, where another provider answered (RFC 9207 §2.4).
   */
  authorizationCodeGrant(
    client: Client,
    response: AuthorizationCodeParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** Tokens for a name and a password (RFC 6749 §4.3). */
  passwordGrant(
    client: Client,
    grant: PasswordParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** An access token for the client itself (RFC 6749 §4.4). */
  clientCredentialsGrant(
    client: Client,
    parameters: TokenParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** An access token for a token of somebody else (RFC 8693 §2.1). */
  tokenExchange(
    client: Client,
    grant: TokenExchangeParameters,
    signal: AbortSignal,
  ): Promise<TokenResponse>

  /** Registers a client (RFC 7591 §3). Returns the provider's response as it came. */
  register(
    address: ProviderConfig,
    registration: ClientRegistration,
    signal: AbortSignal,
  ): Promise<JsonObject>

  /** Deletes a registered client (RFC 7592 §2.3). */
  deleteClient(registered: RegisteredClient, signal: AbortSignal): Promise<void>

  /** Revokes a refresh token (RFC 7009). */
  revokeToken(client: Client, refreshToken: Secret, signal: AbortSignal): Promise<void>

  /** The public keys the provider signs with (RFC 7517 §5), as they came. */
  jwks(address: ProviderConfig, signal: AbortSignal): Promise<JsonObject>

  /** The ID token of the CI job we are part of, as its platform gives it on request. */
  ciToken(request: CiTokenRequest, signal: AbortSignal): Promise<Secret>

  /** Ends idle connections. */
  close(): Promise<void>
}

/** What a CI platform is asked for an ID token with. */
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
  /** Which of the products and services we know it is. */
  readonly profile: ProviderProfileName
  /** What people call that. */
  readonly profileTitle: string
  /** Whether a refresh token is good for scopes that its login did not ask for. */
  readonly allowsScopeUpgrade: boolean
  /** Seconds a refresh token usually lives there; undefined where nobody can say. */
  readonly refreshTokenSeconds: number | undefined
}

/** How a client shows who it is; `automatic` is what the provider says that it takes. */
export type ClientAuthentication =
  | { readonly kind: 'automatic' | 'none' | 'basic' | 'post' }
  /** RFC 7523 §2.2, with the key of a PEM or JWK file. */
  | { readonly kind: 'private_key_jwt'; readonly keyFile: string }

/** A client at a provider, as an account holds it. */
export interface Client {
  readonly provider: ProviderConfig
  readonly id: string
  /** Absent for a public client. */
  readonly secret: Secret | undefined
  readonly isPublic: boolean
  readonly deviceAuthorizationEndpoint: string | undefined
  /** Undefined: as usual for the provider's family. */
  readonly audienceParameter: AudienceParameter | undefined
  readonly authentication: ClientAuthentication
}

/** What a token should be good for. Absent: the provider's default. */
export interface TokenParameters {
  readonly scope: SpaceSeparated | undefined
  readonly audience: SpaceSeparated | undefined
}

export interface RefreshParameters extends TokenParameters {
  readonly refreshToken: Secret
}

/** What a person is asked to allow (RFC 6749 §4.1.1). */
export interface AuthorizationRequest extends TokenParameters {
  readonly redirectUri: string
  readonly state: string
  /** RFC 7636 §4.2, by S256. */
  readonly codeChallenge: string
  /** Whether a refresh token is wanted. */
  readonly offlineAccess: boolean
}

/** What the provider sent back through the browser (RFC 6749 §4.1.2). */
export interface AuthorizationCodeParameters {
  readonly code: string
  /** The same text as in the request. */
  readonly redirectUri: string
  readonly codeVerifier: string
  /** `iss` of RFC 9207 §2; undefined where there was none. */
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
  /** As the provider said it (RFC 6749 §5.1), else the JWT's `scope`, else undefined. */
  readonly scope: SpaceSeparated | undefined
  /** The JWT's `aud`; empty where it has none, undefined where the token is no JWT. */
  readonly audience: readonly string[] | undefined
  readonly refreshToken: Secret | undefined
  /** When that dies: from the answer, else from its own `exp` where it is a JWT, else undefined. */
  readonly refreshTokenExpiresAt: UnixSeconds | undefined
  readonly idToken: string | undefined
  /** Our clock minus the provider's `Date`, where the answer had one. */
  readonly clockSkewSeconds: number | undefined
}

export interface ClientRegistration {
  readonly clientName: string
  readonly scope: SpaceSeparated
  /** Flow names of protocol.md §2.5; they decide grant types and redirect URIs. */
  readonly flows: readonly string[]
  readonly redirectUris: readonly string[]
  /** RFC 7591 §3: initial access token, where the provider wants one. */
  readonly initialAccessToken: Secret | undefined
}

export interface RegisteredClient {
  readonly registrationClientUri: string
  readonly registrationAccessToken: Secret
  readonly certPath: string | undefined
}
