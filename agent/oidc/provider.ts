import type {
  DeviceAuthorization,
  JsonObject,
  SpaceSeparated,
  UnixSeconds,
} from '../../protocol/messages.ts'
import type { Secret } from '../../protocol/secret.ts'

/**
 * What the agent asks of an OpenID provider. This file is the contract; `openid-provider.ts`
 * implements it. It knows no sockets, no files but CA bundles, and no account state.
 * Every call takes an AbortSignal, adds its own deadline, and throws only AgentError.
 */
export interface OpenIdProvider {
  /** The discovery document (OpenID Connect Discovery §4, RFC 8414 §3), cached for a while. */
  discover(address: ProviderAddress, signal: AbortSignal): Promise<ProviderMetadata>

  /** A new access token by refresh token (RFC 6749 §6). Asked once: never retried by this layer. */
  refresh(client: Client, grant: RefreshGrant, signal: AbortSignal): Promise<TokenResponse>

  /** Starts a device authorization (RFC 8628 §3.1). */
  startDevice(client: Client, wish: TokenWish, signal: AbortSignal): Promise<DeviceAuthorization>

  /**
   * Polls once (RFC 8628 §3.4).
   * @throws AgentError `authorization-pending`, `slow-down`, or what ended the flow.
   */
  pollDevice(client: Client, deviceCode: string, signal: AbortSignal): Promise<TokenResponse>

  /** Registers a client (RFC 7591 §3). Returns the provider's response as it came. */
  register(
    address: ProviderAddress,
    registration: ClientRegistration,
    signal: AbortSignal,
  ): Promise<JsonObject>

  /** Deletes a registered client (RFC 7592 §2.3). */
  deleteClient(registered: RegisteredClient, signal: AbortSignal): Promise<void>

  /** Revokes a refresh token (RFC 7009). */
  revoke(client: Client, refreshToken: Secret, signal: AbortSignal): Promise<void>

  /** Ends idle connections. */
  close(): Promise<void>
}

/** Where a provider is and whom to trust for it. */
export interface ProviderAddress {
  readonly issuer: string
  readonly configEndpoint: string | undefined
  readonly certPath: string | undefined
}

export interface ProviderMetadata {
  /** Exactly as published. */
  readonly issuer: string
  readonly scopesSupported: readonly string[]
  readonly hasDeviceFlow: boolean
  readonly hasRegistration: boolean
  readonly hasRevocation: boolean
}

/** How a provider is asked for an audience: RFC 8707 `resource`, or the older `audience`. */
export type AudienceParameter = 'audience' | 'resource'

/** A client at a provider, as an account holds it. */
export interface Client {
  readonly provider: ProviderAddress
  readonly id: string
  /** Absent for a public client. */
  readonly secret: Secret | undefined
  readonly isPublic: boolean
  readonly deviceAuthorizationEndpoint: string | undefined
  readonly audienceParameter: AudienceParameter
}

/** What a token should be good for. Absent: the provider's default. */
export interface TokenWish {
  readonly scope: SpaceSeparated | undefined
  readonly audience: SpaceSeparated | undefined
}

export interface RefreshGrant extends TokenWish {
  readonly refreshToken: Secret
}

export interface TokenResponse {
  readonly accessToken: string
  /** From `expires_in`, else the JWT's `exp`, else undefined. */
  readonly expiresAt: UnixSeconds | undefined
  /** As the provider said it (RFC 6749 §5.1), else the JWT's `scope`, else undefined. */
  readonly scope: SpaceSeparated | undefined
  /** The JWT's `aud`, where the token is a JWT that has one. */
  readonly audience: readonly string[] | undefined
  readonly refreshToken: Secret | undefined
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
