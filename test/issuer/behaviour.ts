import type { Refusals } from './error-responses.ts'
import type { Fields } from './response.ts'

export type EndpointName =
  | 'discovery'
  | 'jwks'
  | 'authorization'
  | 'token'
  | 'device'
  /** The page where a person enters a device code. */
  | 'verification'
  | 'registration'
  /** One registered client (RFC 7592), below `registration`. */
  | 'registered-client'
  | 'revocation'
  | 'introspection'
  | 'userinfo'

export type ClientAuthMethod =
  | 'none'
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'private_key_jwt'

type AudienceParameter = 'resource' | 'aud' | 'audience'

/**
 * How a provider product behaves: all that is decided by whoever wrote or configured it, and that
 * stays the same from one request to the next. A mode is one such record.
 */
export interface Behaviour {
  /** As a person calls it. */
  readonly product: string

  // ── Names and places ──
  /** What follows the host in the issuer: ``, `/`, `/realms/test`. */
  readonly issuerPath: string
  /** Whether `iss` of an access token is the issuer to the letter. */
  readonly accessTokenIssuer: 'as published' | 'without trailing slash'
  /** Path of each endpoint there is; one that is absent is not offered, nor published. */
  readonly paths: Readonly<Partial<Record<EndpointName, string>>>
  /** More members of the discovery document. */
  readonly metadata: Fields

  // ── Clients ──
  readonly clientAuthMethods: readonly ClientAuthMethod[]
  /** False: a client that registered for `client_secret_basic` may post its secret as well. */
  readonly onlyRegisteredAuthMethod: boolean
  /** What a secret from a client that has none does. */
  readonly secretOfPublicClient: 'ignored' | 'refused'
  readonly redirectUris: 'exact' | 'any loopback port'
  readonly grantTypes: readonly string[]

  // ── Registration (RFC 7591) ──
  readonly registrationFor: 'anyone' | 'initial access token'
  readonly registrationAnswer: 'RFC 7591' | 'IAM'
  /** Grants that an unknown registrant is refused. */
  readonly grantTypesWithheld: readonly string[]
  /** Each use of the registration access token ends it; the answer has the next one. */
  readonly registrationTokenRotates: boolean

  // ── Scopes ──
  readonly systemScopes: readonly string[]
  /** Prefixes of system scopes that are not published and silently dropped from registrations. */
  readonly restrictedScopes: readonly string[]
  /** Whether `storage.read:/a` is part of `storage.read:/`. */
  readonly pathNarrowing: 'no' | 'plain prefix'
  /** What a refresh that asks for more than was granted at first gets. */
  readonly widening: 'refused' | 'up to what the client may have'
  /** True: tokens are for the one API their scopes begin with, and the answer names its only. */
  readonly audienceFromScope: boolean

  // ── Device flow (RFC 8628) ──
  /** False: the secret is wanted at the token endpoint only. */
  readonly deviceStartAuthenticates: boolean
  /** False: a client id in the Authorization header is enough to start. */
  readonly deviceClientIdInForm: boolean
  readonly deviceUriMember: 'verification_uri' | 'verification_url'
  readonly deviceUriComplete: boolean
  /** Seconds; undefined: the answer has no `interval`. */
  readonly deviceInterval: number | undefined
  readonly deviceExpiresInShown: boolean
  /** A sentence for the person, in a member `message`. */
  readonly deviceMessage: boolean
  readonly deviceCodeSeconds: number
  /** False: after a no the poll goes on as if nobody had come, until the code expires. */
  readonly denialReported: boolean

  // ── Authorization code (RFC 6749 §4.1, RFC 7636) ──
  readonly pkceMethods: readonly string[]
  readonly pkceRequired: boolean
  readonly codeSeconds: number
  /** RFC 9207; `wrong` is another provider's. */
  readonly issInAuthorizationResponse: 'right' | 'wrong' | 'absent'

  // ── Access and ID tokens ──
  readonly accessTokenForm: 'JWT' | 'opaque'
  /** Which claims an access token has; `by registered scope` is IAM's choice of a profile. */
  readonly accessTokenProfile: 'plain' | 'WLCG' | 'by registered scope' | 'Keycloak' | 'Entra'
  readonly accessTokenSeconds: number
  readonly idTokenSeconds: number
  readonly idTokenAtRefresh: boolean
  /** More members of a successful token answer. */
  readonly tokenAnswerExtras: Fields

  // ── Audience ──
  /** Tried in this order, the first that is there counts; none: every wish is ignored. */
  readonly audienceParameters: readonly AudienceParameter[]
  /** False: of a repeated parameter only the first is read. */
  readonly repeatedAudienceRead: boolean
  /** `resource` is an error instead of being ignored. */
  readonly resourceRefused: boolean
  readonly defaultAudience: string | undefined

  // ── Refresh tokens ──
  readonly refreshTokenFor: 'offline_access' | 'access_type=offline' | 'everyone'
  readonly refreshTokenForm: 'opaque' | 'unsigned JWT' | 'signed JWT'
  /** Seconds; 0: for ever. */
  readonly refreshTokenSeconds: number
  /** The same where `offline_access` was granted. */
  readonly offlineTokenSeconds: number
  readonly refreshExpiresInShown: boolean
  readonly rotation: Rotation
  /** A refresh must ask for `offline_access` again to get a refresh token back. */
  readonly offlineAccessAtRefresh: boolean
  readonly earlierAccessTokensDeleted: boolean
  readonly foreignClientDeletesRefreshToken: boolean

  // ── Token exchange (RFC 8693) ──
  readonly tokenExchange: 'RFC 8693' | 'IAM'

  readonly refusals: Refusals
}

/** What a refresh does to the refresh token. */
type Rotation =
  | 'same token comes back'
  | 'no token comes back'
  | 'new one, old one stays'
  | 'new one, old one dies'
  /** RFC 9700 §4.14.2: a second use of an old one is taken for theft. */
  | 'new one, reuse revokes the family'
