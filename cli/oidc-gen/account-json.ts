import { access, constants } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { unreadable } from '../../protocol/wire/errors.ts'
import { isJsonArray } from '../../protocol/wire/json.ts'
import type { JsonObject, JsonValue, SpaceSeparated } from '../../protocol/wire/messages.ts'
import { usageError } from '../arguments.ts'
import type { ChosenIssuer } from './issuer.ts'
import type { GenOptions } from './options.ts'

/** What options give of an account: the part of a plan that the account's JSON is made from. */
export interface GivenAccount {
  readonly provider: ProviderPlan
  readonly members: MemberPlan
  readonly login: { readonly credentials: Credentials }
}

/** The provider, as far as options give it. */
export interface ProviderPlan {
  /** A URL, a host, or part of the name of a known issuer. */
  readonly issuer: string | undefined
  readonly configEndpoint: string | undefined
  readonly deviceEndpoint: string | undefined
  /** Absolute: the agent has another working directory. */
  readonly certPath: string | undefined
}

/** Members of the account's JSON, as far as options give them. */
export interface MemberPlan {
  /** `client_name` ends with it; the default is the host name. */
  readonly clientName: string | undefined
  readonly audience: SpaceSeparated | undefined
  readonly isOauth2: boolean
  readonly redirectUris: readonly string[]
  /** Members that the C tools do not know, by their names in the JSON. */
  readonly extension: JsonObject
  /** What the account must have for the flow that is named first. */
  readonly required: 'redirect-uris' | 'subject-token' | 'nothing'
}

/** What the person can log in with, as far as options give it. */
export interface Credentials {
  readonly refreshToken: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
}

/** What is settled about an account before it has a client. */
export interface AccountBasis {
  readonly name: string
  readonly hostName: string
  readonly issuer: ChosenIssuer
  readonly provider: ProviderConfig
  readonly scope: SpaceSeparated
}

/**
 * The account's JSON, with all the keys that the C tools write and in their order (protocol.md §3.4).
 * It has no client yet.
 */
export function newAccountJson(
  { name, hostName, issuer, provider, scope }: AccountBasis,
  { provider: { deviceEndpoint }, members, login: { credentials } }: GivenAccount,
): JsonObject {
  const device = deviceEndpoint ?? issuer.known?.deviceAuthorizationEndpoint
  return {
    name,
    client_name: `oidc-agent:${name}-${members.clientName ?? hostName}`,
    issuer_url: provider.issuer,
    mytoken_url: '',
    config_endpoint: orEmpty(provider.configEndpoint),
    device_authorization_endpoint: orEmpty(device),
    daeSetByUser: device === undefined ? 0 : 1,
    client_id: '',
    client_secret: '',
    refresh_token: orEmpty(credentials.refreshToken),
    cert_path: orEmpty(provider.certPath),
    scope,
    auth_scope: scope,
    refresh_scope: '',
    audience: orEmpty(members.audience),
    oauth: members.isOauth2 ? 1 : 0,
    uses_pub_client: 0,
    mytoken_profile: {},
    redirect_uris: members.redirectUris,
    username: orEmpty(credentials.username),
    password: orEmpty(credentials.password),
    ...members.extension,
  }
}

function orEmpty(value: string | undefined): string {
  return value ?? ''
}

/**
 * The account's JSON on top of `stored`, the members that its file and the file of -f have. What was
 * decided in this run wins over what is stored, which wins over defaults.
 */
export function changedAccountJson(
  basis: AccountBasis,
  given: GivenAccount,
  stored: JsonObject,
): JsonObject {
  const draft = newAccountJson(basis, given)
  return {
    ...draft,
    ...pick(stored, (_, value) => value !== ''),
    ...pick(draft, isDecided(given)),
    ...given.members.extension,
  }
}

/** Tells which members of a draft replace stored ones. */
function isDecided({ provider, members, login }: GivenAccount): (key: string) => boolean {
  const keys = new Set([
    ...['name', 'issuer_url', 'config_endpoint', 'cert_path'],
    ...['scope', 'auth_scope', 'refresh_scope'],
  ])
  if ((login.credentials.refreshToken ?? '') !== '') keys.add('refresh_token')
  if (members.clientName !== undefined) keys.add('client_name')
  if (members.audience !== undefined) keys.add('audience')
  if (provider.deviceEndpoint !== undefined) {
    keys.add('device_authorization_endpoint').add('daeSetByUser')
  }
  return (key) => keys.has(key)
}

function pick(
  fields: JsonObject,
  isWanted: (key: string, value: JsonValue) => boolean,
): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([key, value]) => isWanted(key, value)))
}

/** The provider: an option wins over what is stored, which wins over the issuer files. */
export function providerConfig(
  { url, known }: ChosenIssuer,
  given: ProviderPlan,
  stored: JsonObject,
): ProviderConfig {
  return {
    issuer: withSlash(url),
    configEndpoint:
      given.configEndpoint ?? fieldText(stored, 'config_endpoint') ?? known?.configEndpoint,
    certPath: given.certPath ?? fieldText(stored, 'cert_path') ?? known?.certPath,
  }
}

/** The C agent 4.x appends `.well-known/openid-configuration` to an issuer without adding a slash. */
function withSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer : `${issuer}/`
}

/** A text of an account's JSON; an empty text counts as absent (protocol.md §3.4). */
export function fieldText(fields: JsonObject, key: string): string | undefined {
  const value = fields[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The texts of a list in an account's JSON. */
export function fieldTexts(fields: JsonObject, key: string): readonly string[] {
  const value = fields[key]
  return isJsonArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** Flows whose accounts have no refresh token: the grant is repeated for each access token. */
const unattendedGrants: readonly string[] = ['client_credentials', 'token-exchange']

/** Whether no person logs in, but a robot or a job. */
export function isUnattendedGrant(flow: string | undefined): boolean {
  return flow !== undefined && unattendedGrants.includes(flow)
}

/** The provider that options give. */
export function providerPlan(options: GenOptions): ProviderPlan {
  const { issuer, configEndpoint, deviceEndpoint, certPath } = options
  return { issuer, configEndpoint, deviceEndpoint, certPath: absolute(certPath) }
}

/** The members that options give. */
export function memberPlan(options: GenOptions): MemberPlan {
  const { clientName, audience, oauth2, redirectUri, port, flow } = options
  const [first] = flow
  return {
    clientName,
    audience,
    isOauth2: oauth2,
    redirectUris: [
      ...redirectUri.flatMap((uris) => uris.split(' ').filter((uri) => uri !== '')),
      ...port.map((number) => `http://localhost:${number}`),
    ],
    extension: extensionFields(options),
    required:
      first === 'code' ? 'redirect-uris' : first === 'token-exchange' ? 'subject-token' : 'nothing',
  }
}

/** The members that the C tools do not know. */
function extensionFields(options: GenOptions): JsonObject {
  const { tokenEndpointAuthMethod, privateKey } = options
  const byKey = privateKey === undefined ? undefined : 'private_key_jwt'
  const fields: Record<string, JsonValue | undefined> = {
    subject_token_audience: options.subjectTokenAudience,
    subject_token_type: options.subjectTokenType,
    private_key_file: absolute(privateKey),
    token_endpoint_auth_method: tokenEndpointAuthMethod ?? byKey,
    audience_parameter: options.audienceParameter,
    ...subjectTokenSource(options),
  }
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  )
}

/** Where the subject token (RFC 8693) comes from; a source that is given replaces a stored one. */
function subjectTokenSource(options: GenOptions): JsonObject {
  const source = {
    subject_token_source: options.subjectTokenSource ?? '',
    subject_token_env: options.subjectTokenEnv ?? '',
    subject_token_file: absolute(options.subjectTokenFile) ?? '',
  }
  return Object.values(source).some((value) => value !== '') ? source : {}
}

/** The agent has another working directory. */
function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}

/** Members that name a source of subject tokens. */
const subjectTokenSources: readonly string[] = [
  'subject_token_source',
  'subject_token_env',
  'subject_token_file',
]

/**
 * Checks, before the provider is asked anything, that the account has what its flow needs.
 * @throws AgentError `usage` if the source of subject tokens is missing; `file-not-found` or
 *   `file-unreadable` for the private key
 */
export async function checkExtensionFields(
  fields: JsonObject,
  required: MemberPlan['required'],
): Promise<void> {
  const hasSource = subjectTokenSources.some((name) => fieldText(fields, name) !== undefined)
  if (required === 'subject-token' && !hasSource) {
    throw usageError(
      'token-exchange needs --subject-token-source, --subject-token-env or --subject-token-file',
    )
  }
  const key = fieldText(fields, 'private_key_file')
  if (key === undefined) return
  try {
    await access(key, constants.R_OK)
  } catch (error) {
    throw unreadable(key, error)
  }
}
