import type { AudienceParameter } from '../../protocol/storage/account.ts'
import type { ErrorCode } from '../../protocol/wire/errors.ts'

/**
 * What is known about a product or a service, beyond its discovery document. The records are in
 * `products.ts`; code elsewhere asks for a member, never for a product by name.
 */
export interface ProviderProfile {
  /** The name for `provider` in issuer.config. */
  readonly name: string
  /** The name that people use. */
  readonly title: string
  /** Hosts of issuers that are known to belong to it. */
  readonly host?: RegExp
  /** Whether a discovery document is this product's, if its host is not known. */
  readonly matchesDocument?: (document: PublishedEndpoints) => boolean
  readonly audienceParameter: AudienceParameter
  /** How a refresh token is requested at a login: by the scope, or by the parameter of that name. */
  readonly offlineAccess: 'offline_access' | 'access_type'
  /** Whether `offline_access` is added to the scopes of a refresh, if the refresh names any. */
  readonly refreshScope: 'as requested' | 'with offline_access'
  /** Whether a refresh may request scopes that the login did not (against RFC 6749 §6). */
  readonly allowsScopeUpgrade: boolean
  /** Seconds that a refresh token usually lives; undefined if unknown. */
  readonly refreshTokenSeconds: number | undefined
  /** The web page where people register clients, if the provider has no dynamic registration. */
  readonly clientsPage?: string
  /**
   * Matches the error of a registration that is refused for one of its grant types, which is the first
   * group. The registration is repeated without that grant type.
   */
  readonly refusedGrantType?: RegExp
  /** What this product's error responses mean, if the generic rows of `error-table.ts` do not say it. */
  readonly errors?: ProductErrors
}

/** The members of a discovery document by which a product is recognised. */
export interface PublishedEndpoints {
  readonly issuer: string
  readonly token_endpoint: string
  readonly authorization_endpoint?: string
  readonly device_authorization_endpoint?: string
  readonly registration_endpoint?: string
}

/** The profile of a provider that is no known product: the RFCs apply. */
export const generic: ProviderProfile = {
  name: 'generic',
  title: 'OpenID provider',
  // An unknown `audience` is ignored, but a `resource` that was not granted before is refused (RFC 8707 §2).
  audienceParameter: 'audience',
  offlineAccess: 'offline_access',
  refreshScope: 'as requested',
  allowsScopeUpgrade: false,
  refreshTokenSeconds: undefined,
}

/** An OAuth error response (RFC 6749 §5.2), or the challenge that replaces it (RFC 6750 §3). */
export interface OAuthErrorResponse {
  readonly status: number
  /** Empty if the response has none. */
  readonly error: string
  /** Empty if the response has none. */
  readonly description: string
}

/** The purpose of a request: some errors mean different things for different requests. */
export type RequestPurpose =
  | 'discovery'
  | 'refresh'
  | 'device authorization'
  | 'device poll'
  | 'code exchange'
  | 'password'
  | 'client credentials'
  | 'token exchange'
  | 'registration'
  | 'client deletion'
  | 'revocation'

/** One meaning of an error response. A member that a row does not have matches everything. */
export interface ErrorRow {
  readonly purposes?: readonly RequestPurpose[]
  readonly statuses?: readonly number[]
  readonly error?: RegExp
  readonly description?: RegExp
  readonly code: ErrorCode
  /** The next step, without the account's name; hints with the name are in `error-table.ts`. */
  readonly hint?: string
}

/**
 * A product's rows by subject. The rows of all products apply to every provider, as a product may be
 * behind a proxy or another brand. Within a subject they come before the generic rows.
 */
export interface ProductErrors {
  /** The user has to do something at the provider. */
  readonly userAction?: readonly ErrorRow[]
  /** The provider has closed the user's account. */
  readonly userStatus?: readonly ErrorRow[]
  /** A signature is refused because of the clock. */
  readonly clock?: readonly ErrorRow[]
  readonly client?: readonly ErrorRow[]
  readonly scope?: readonly ErrorRow[]
}

/** Placeholder for the provider's address in the hint of a row. */
export const PROVIDER_ADDRESS = '{provider}'

/** Error codes with which providers refuse a user or a client; the description says which. */
export const UNAUTHORIZED =
  /^(?:unauthorized|access_denied|invalid_(?:grant|token|client)|unauthorized_client)$/

/** Hints that generic rows and products' rows share. */
export const sharedHints = {
  userInactive:
    'The provider has suspended this user. Ask its administrators; the login of this account may work again afterwards.',
  wrongClock:
    'Check the clock of this machine: for the provider, what this machine signs is too old or too new.',
  clientNotAllowed:
    'The client may not use this grant type. Ask its administrator to allow it, or choose another flow with -w.',
} as const
