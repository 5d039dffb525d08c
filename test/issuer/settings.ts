import type { ErrorResponses, Fields } from './response.ts'

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
 * How a provider product behaves: what its authors or administrators decided, the same for every
 * request. A mode is one such record.
 */
export interface Behaviour {
  /** The name of the product. */
  readonly product: string

  // ── Issuer and endpoints ──
  /** The path of the issuer: ``, `/`, `/realms/test`. */
  readonly issuerPath: string
  /** Whether `iss` of an access token equals the published issuer. */
  readonly accessTokenIssuer: 'as published' | 'without trailing slash'
  /** The path of each endpoint; an absent one is neither offered nor published. */
  readonly paths: Readonly<Partial<Record<EndpointName, string>>>
  /** Further members of the discovery document. */
  readonly metadata: Fields

  // ── Clients ──
  readonly clientAuthMethods: readonly ClientAuthMethod[]
  /** False: a client that registered for `client_secret_basic` may post its secret as well. */
  readonly onlyRegisteredAuthMethod: boolean
  /** Whether a secret sent by a public client is ignored or refused. */
  readonly secretOfPublicClient: 'ignored' | 'refused'
  readonly redirectUris: 'exact' | 'any loopback port'
  readonly grantTypes: readonly string[]

  // ── Registration (RFC 7591) ──
  readonly registrationFor: 'anyone' | 'initial access token'
  readonly registrationResponse: 'RFC 7591' | 'IAM'
  /** Grants that a client cannot register for. */
  readonly grantTypesWithheld: readonly string[]
  /** Each use of the registration access token ends it; the response contains the next one. */
  readonly registrationTokenRotates: boolean

  // ── Scopes ──
  readonly systemScopes: readonly string[]
  /** Prefixes of system scopes that are not published and silently dropped from registrations. */
  readonly restrictedScopes: readonly string[]
  /** Whether `storage.read:/` covers `storage.read:/a`. */
  readonly pathNarrowing: 'no' | 'plain prefix'
  /** How a refresh is answered that requests a scope beyond the original grant. */
  readonly scopeUpgrade: 'refused' | 'up to what the client may have'
  /** True: a token is for the one API that its scopes begin with, and `scope` of the response has only that API's. */
  readonly audienceFromScope: boolean

  // ── Device flow (RFC 8628) ──
  /** False: the client authenticates at the token endpoint only. */
  readonly deviceStartAuthenticates: boolean
  /** False: the client id may be in the Authorization header alone. */
  readonly deviceClientIdInForm: boolean
  readonly deviceUriMember: 'verification_uri' | 'verification_url'
  readonly deviceUriComplete: boolean
  /** Seconds; undefined: the response has no `interval`. */
  readonly deviceInterval: number | undefined
  readonly deviceExpiresInShown: boolean
  /** Whether the response has a member `message` with a sentence for the person. */
  readonly deviceMessage: boolean
  readonly deviceCodeSeconds: number
  /** False: after a denial, polls get `authorization_pending` until the code expires. */
  readonly denialReported: boolean

  // ── Authorization code (RFC 6749 §4.1, RFC 7636) ──
  readonly pkceMethods: readonly string[]
  readonly pkceRequired: boolean
  readonly codeSeconds: number
  /** RFC 9207; `wrong`: the issuer of another provider. */
  readonly issInAuthorizationResponse: 'right' | 'wrong' | 'absent'

  // ── Access and ID tokens ──
  readonly accessTokenForm: 'JWT' | 'opaque'
  /** The claims of an access token; `by registered scope`: IAM's choice of a profile. */
  readonly accessTokenProfile: 'plain' | 'WLCG' | 'by registered scope' | 'Keycloak' | 'Entra'
  readonly accessTokenSeconds: number
  readonly idTokenSeconds: number
  readonly idTokenAtRefresh: boolean
  /** Further members of a successful token response. */
  readonly tokenResponseExtras: Fields

  // ── Audience ──
  /** In order of precedence; the first that is present counts. Empty: no audience can be requested. */
  readonly audienceParameters: readonly AudienceParameter[]
  /** False: of a repeated parameter only the first is read. */
  readonly repeatedAudienceRead: boolean
  /** True: `resource` is an error instead of being ignored. */
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
  /** A refresh returns a refresh token only if it requests `offline_access` again. */
  readonly offlineAccessAtRefresh: boolean
  readonly earlierAccessTokensDeleted: boolean
  readonly foreignClientDeletesRefreshToken: boolean

  // ── Token exchange (RFC 8693) ──
  readonly tokenExchange: 'RFC 8693' | 'IAM'

  readonly errorResponses: ErrorResponses
}

/** What a refresh does to the refresh token. */
type Rotation =
  | 'same token comes back'
  | 'no token comes back'
  | 'new one, old one stays'
  | 'new one, old one dies'
  /** RFC 9700 §4.14.2: a second use of an old refresh token is treated as theft. */
  | 'new one, reuse revokes the family'

/** The present state of the person, the client and the clock, and deliberate errors in responses. */
export interface Scenario {
  /** What the person does at the provider's pages, unless `approve` or `deny` decide for a device code. */
  readonly person: 'approves' | 'denies' | 'absent'
  /** `sub` of the person. */
  readonly subject: string
  readonly groups: readonly string[]
  readonly passwords: Readonly<Record<string, string>>
  readonly user: 'active' | 'inactive' | 'has a policy to sign'
  readonly clientsSuspended: boolean
  /** Prefixes of scopes that a policy withholds from this person: silently dropped. */
  readonly scopesWithheld: readonly string[]
  /** The number of polls of a device code that are answered with `slow_down` first. */
  readonly slowDowns: number
  /** Seconds by which the provider's clock is ahead: in `Date`, `iat`, `exp` and every expiry. */
  readonly clockOffsetSeconds: number

  // ── Wrong values ──
  /** Published in the discovery document instead of the issuer. */
  readonly issuerPublished: string | undefined
  readonly stateInAuthorizationResponse: 'same' | 'wrong' | 'absent'
  readonly expiresInShown: boolean
  /** `aud` of every access token, instead of the requested audience. */
  readonly audienceReturned: string | undefined
  /** `scope` of every token and token response, instead of the granted scope. */
  readonly scopeReturned: string | undefined
}

/** No failures; the person has not decided yet. */
export const defaultScenario: Scenario = {
  person: 'absent',
  subject: 'alice',
  groups: ['/wlcg', '/wlcg/pilots'],
  passwords: { alice: 'wonderland' },
  user: 'active',
  clientsSuspended: false,
  scopesWithheld: [],
  slowDowns: 0,
  clockOffsetSeconds: 0,
  issuerPublished: undefined,
  stateInAuthorizationResponse: 'same',
  expiresInShown: true,
  audienceReturned: undefined,
  scopeReturned: undefined,
}

/** RFC 8628 §3.4. */
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** RFC 8693 §2.1. */
export const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** Every grant that the token endpoint implements. */
export const ALL_GRANTS: readonly string[] = [
  'authorization_code',
  'refresh_token',
  'password',
  'client_credentials',
  DEVICE_GRANT,
  EXCHANGE_GRANT,
]
