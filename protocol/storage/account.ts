import { AgentError } from '../wire/errors.ts'
import type { JsonObject, JsonValue, SpaceSeparated, UnixSeconds } from '../wire/messages.ts'
import { Secret, secretOf } from '../wire/secret.ts'

/**
 * An account: the client and the refresh token of one login at one provider, as an account file holds
 * them (protocol.md §3.4). None of its members prints a secret.
 */
export interface Account {
  readonly name: string
  /** As the user wrote it; compare with {@link sameIssuer}. */
  readonly issuer: string
  readonly configEndpoint: string | undefined
  /** Set only if the user chose it; otherwise from the discovery document. */
  readonly deviceAuthorizationEndpoint: string | undefined
  readonly clientId: string
  readonly clientSecret: Secret | undefined
  readonly usesPublicClient: boolean
  readonly refreshToken: Secret | undefined
  /** PEM bundle to trust instead of the system's. */
  readonly certPath: string | undefined
  /** Scopes the user authorised: requested by a login, and by a grant that is repeated. */
  readonly authScope: SpaceSeparated
  /** Scopes the provider granted, if they differ. */
  readonly refreshScope: SpaceSeparated | undefined
  readonly audience: SpaceSeparated | undefined
  readonly redirectUris: readonly string[]
  /** The grant that gives a new access token (ours; the C tools know refresh tokens only). */
  readonly grant: GrantKind
  /** The source of the token to exchange; read again for each exchange. */
  readonly subjectToken: SubjectTokenSource | undefined
  /** RFC 7591 §2 `token_endpoint_auth_method`; absent: as the discovery document allows. */
  readonly authenticationMethod: string | undefined
  /** Private key of `private_key_jwt`, PEM or JWK. */
  readonly privateKeyFile: string | undefined
  /** How an audience is requested from the provider; absent: as in issuer.config or the provider profile. */
  readonly audienceParameter: AudienceParameter | undefined
  /** When the refresh token expires, if that is known or can be estimated. */
  readonly refreshTokenExpiresAt: UnixSeconds | undefined
  /** How often the refresh token was replaced (ours): of two versions of one file, the higher one is newer. */
  readonly refreshTokenCounter: number
  /** The refresh token before one that came with a failed refresh (ours); kept until that one has worked once. */
  readonly formerRefreshToken: Secret | undefined
  /** The whole JSON object as it was read: members we do not know survive every rewrite. */
  readonly fields: Secret<JsonObject>
}

/** A provider: its address, its trust anchors, and its product. */
export interface ProviderConfig {
  readonly issuer: string
  readonly configEndpoint: string | undefined
  /** PEM bundle to trust instead of the system's. */
  readonly certPath: string | undefined
  /** A provider profile by its name in `issuer.config`; absent: detected by host and discovery document. */
  readonly profile?: string | undefined
}

/**
 * How an audience is requested from a provider: by RFC 8707 `resource`, by the older `audience`, by both,
 * or by the scopes, which begin with the name of the service.
 */
export type AudienceParameter = (typeof audienceParameters)[number]

export const audienceParameters = ['audience', 'resource', 'both', 'scope'] as const

/** `client_credentials` (RFC 6749 §4.4) and `token-exchange` (RFC 8693) are repeated for each token. */
export type GrantKind = 'refresh_token' | 'client_credentials' | 'token-exchange'

export interface SubjectTokenSource {
  /** The CI platform whose ID token is exchanged. */
  readonly platform: 'github' | undefined
  /** The audience of the platform's ID token; absent: the issuer. */
  readonly audience: string | undefined
  /** Environment variable of the agent. */
  readonly variable: string | undefined
  readonly file: string | undefined
  /** RFC 8693 §3. */
  readonly type: string
}

/** The type of the tokens that CI platforms give to their jobs. */
const DEFAULT_SUBJECT_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token'

/**
 * Reads an account from its JSON.
 * @throws AgentError `file-malformed` if name or issuer is missing
 */
export function accountOf(fields: JsonObject): Account {
  const text = (key: string): string | undefined => textOf(fields[key])
  const name = text('name')
  const issuer = text('issuer_url') ?? text('issuer')
  if (name === undefined || issuer === undefined) {
    throw new AgentError('file-malformed', 'bad configuration: the account has no name or issuer')
  }
  return {
    name,
    issuer,
    configEndpoint: text('config_endpoint'),
    deviceAuthorizationEndpoint: isSet(fields['daeSetByUser'])
      ? text('device_authorization_endpoint')
      : undefined,
    clientId: text('client_id') ?? '',
    clientSecret: secretOf(text('client_secret')),
    usesPublicClient: isSet(fields['uses_pub_client']),
    refreshToken: secretOf(text('refresh_token')),
    certPath: text('cert_path'),
    authScope: text('auth_scope') ?? text('scope') ?? '',
    refreshScope: text('refresh_scope'),
    audience: text('audience'),
    redirectUris: textsOf(fields['redirect_uris']),
    grant: grantOf(text('grant')),
    subjectToken: subjectTokenOf(text),
    authenticationMethod: text('token_endpoint_auth_method'),
    privateKeyFile: text('private_key_file'),
    audienceParameter: audienceParameterOf(text('audience_parameter')),
    refreshTokenExpiresAt: secondsOf(fields['refresh_token_expires_at']),
    refreshTokenCounter: counterOf(fields['refresh_token_counter']),
    formerRefreshToken: secretOf(text('former_refresh_token')),
    fields: new Secret(fields),
  }
}

/** A change to an account: members that are absent or undefined stay as they are. */
export interface AccountChange {
  readonly refreshToken?: Secret | undefined
  readonly refreshScope?: SpaceSeparated | undefined
  readonly refreshTokenExpiresAt?: UnixSeconds | undefined
}

/** The account with `change` made to it and to its JSON. */
export function changedAccount(account: Account, change: AccountChange): Account {
  return accountOf(changedFields(account.fields.reveal(), change))
}

/** An account's JSON with `change` made to it. */
export function changedFields(fields: JsonObject, change: AccountChange): JsonObject {
  const { refreshToken, refreshScope, refreshTokenExpiresAt } = change
  const changed: Record<string, JsonValue> = { ...fields }
  if (refreshToken !== undefined) changed['refresh_token'] = refreshToken.reveal()
  if (refreshScope !== undefined) changed['refresh_scope'] = refreshScope
  if (refreshTokenExpiresAt !== undefined) {
    changed['refresh_token_expires_at'] = refreshTokenExpiresAt
  }
  return changed
}

/** Whether two issuer URLs name the same issuer: they may differ by one trailing slash. */
export function sameIssuer(one: string, other: string): boolean {
  return withoutSlash(one) === withoutSlash(other)
}

function withoutSlash(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url
}

/** The words of a space separated list, sorted, each once. */
export function wordSet(list: SpaceSeparated | undefined): readonly string[] {
  return [...new Set(words(list))].sort()
}

/** The words of a space separated list, in order. */
export function words(list: SpaceSeparated | undefined): readonly string[] {
  return list === undefined ? [] : list.split(/\s+/).filter((word) => word !== '')
}

function textOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function isSet(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== 0 && value !== '0' && value !== false && value !== ''
}

function grantOf(value: string | undefined): GrantKind {
  return value === 'client_credentials' || value === 'token-exchange' ? value : 'refresh_token'
}

/** The word, if it is one of {@link audienceParameters}. */
export function audienceParameterOf(word: string | undefined): AudienceParameter | undefined {
  return audienceParameters.find((one) => one === word)
}

function subjectTokenOf(text: (key: string) => string | undefined): SubjectTokenSource | undefined {
  const platform = text('subject_token_source') === 'github' ? 'github' : undefined
  const variable = text('subject_token_env')
  const file = text('subject_token_file')
  if (platform === undefined && variable === undefined && file === undefined) return undefined
  const audience = text('subject_token_audience')
  const type = text('subject_token_type') ?? DEFAULT_SUBJECT_TOKEN_TYPE
  return { platform, audience, variable, file, type }
}

function counterOf(value: JsonValue | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

function secondsOf(value: JsonValue | undefined): UnixSeconds | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined
}
