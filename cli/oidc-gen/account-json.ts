import { access, constants } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { unreadable } from '../../protocol/wire/errors.ts'
import { isJsonArray } from '../../protocol/wire/json.ts'
import type { JsonObject, JsonValue, SpaceSeparated } from '../../protocol/wire/messages.ts'
import { usageError } from '../arguments.ts'
import type { GenContext } from './context.ts'
import type { ChosenIssuer } from './issuer.ts'
import type { GenOptions } from './options.ts'

/** The provider's place, by option or as the issuer files say it. */
export function providerConfig(
  { url, known }: ChosenIssuer,
  { options }: GenContext,
): ProviderConfig {
  return {
    issuer: withSlash(url),
    configEndpoint: options.configEndpoint ?? known?.configEndpoint,
    // The agent stands elsewhere.
    certPath: options.certPath === undefined ? known?.certPath : resolve(options.certPath),
  }
}

/** What an account is made of before it has a client. */
export interface AccountPlan {
  readonly name: string
  readonly issuer: ChosenIssuer
  readonly place: ProviderConfig
  readonly scope: SpaceSeparated
}

/**
 * The account's JSON, with all the keys that the C tools write and in their order (protocol.md §3.4).
 * It has no client yet.
 */
export function newAccountJson(plan: AccountPlan, context: GenContext): JsonObject {
  const { options, host } = context
  return {
    name: plan.name,
    client_name: `oidc-agent:${plan.name}-${options.clientName ?? host.hostName}`,
    issuer_url: plan.place.issuer,
    mytoken_url: '',
    ...endpoints(plan, context),
    client_id: '',
    client_secret: '',
    refresh_token: context.refreshToken ?? '',
    cert_path: plan.place.certPath ?? '',
    scope: plan.scope,
    auth_scope: plan.scope,
    refresh_scope: '',
    audience: options.audience ?? '',
    oauth: options.oauth2 ? 1 : 0,
    uses_pub_client: 0,
    mytoken_profile: {},
    redirect_uris: redirectUris(context),
    username: options.username ?? '',
    password: options.password ?? '',
    ...extensionFields(options),
  }
}

/** The C agent 4.x appends `.well-known/openid-configuration` to an issuer as it stands. */
function withSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer : `${issuer}/`
}

function endpoints({ issuer, place }: AccountPlan, { options }: GenContext): JsonObject {
  const device = options.deviceEndpoint ?? issuer.known?.deviceAuthorizationEndpoint
  return {
    config_endpoint: place.configEndpoint ?? '',
    device_authorization_endpoint: device ?? '',
    daeSetByUser: device === undefined ? 0 : 1,
  }
}

/** The redirect URIs that were given. */
export function redirectUris({ options }: GenContext): readonly string[] {
  return [
    ...options.redirectUri.flatMap((uris) => uris.split(' ').filter((uri) => uri !== '')),
    ...options.port.map((port) => `http://localhost:${port}`),
  ]
}

/** A text of an account's JSON; what is empty is as good as absent (protocol.md §3.4). */
export function fieldText(fields: JsonObject, key: string): string | undefined {
  const value = fields[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The texts of a list in an account's JSON. */
export function fieldTexts(fields: JsonObject, key: string): readonly string[] {
  const value = fields[key]
  return isJsonArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** Flows whose accounts have no refresh token: what gave the first token gives the next. */
const unattendedGrants: readonly string[] = ['client_credentials', 'token-exchange']

/** Members that say where the token to exchange comes from. */
const sources: readonly string[] = [
  'subject_token_source',
  'subject_token_env',
  'subject_token_file',
]

/** Whether no person logs in, but a robot or a job. */
export function isUnattendedGrant(flow: string | undefined): boolean {
  return flow !== undefined && unattendedGrants.includes(flow)
}

/** The members of an account that the C tools do not know, as far as options give them. */
export function extensionFields(options: GenOptions): JsonObject {
  const fields: Record<string, JsonValue | undefined> = {
    subject_token_audience: options.subjectTokenAudience,
    subject_token_type: options.subjectTokenType,
    private_key_file: absolute(options.privateKey),
    token_endpoint_auth_method: authenticationMethod(options),
    audience_parameter: options.audienceParameter,
    ...subjectTokenSource(options),
  }
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  )
}

/**
 * Tells what is missing before anything is asked of the provider.
 * @throws AgentError `usage` or `file-not-found`
 */
export async function checkExtensionFields(
  fields: JsonObject,
  { flow }: GenOptions,
): Promise<void> {
  const hasSource = sources.some((name) => fieldText(fields, name) !== undefined)
  if (flow[0] === 'token-exchange' && !hasSource) {
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

/** The agent stands elsewhere. */
function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}

function authenticationMethod(options: GenOptions): string | undefined {
  const { tokenEndpointAuthMethod, privateKey } = options
  if (tokenEndpointAuthMethod !== undefined) return tokenEndpointAuthMethod
  return privateKey === undefined ? undefined : 'private_key_jwt'
}

/** Where the token to exchange comes from; a source that is given replaces the one there was. */
function subjectTokenSource(options: GenOptions): JsonObject {
  const source = {
    subject_token_source: options.subjectTokenSource ?? '',
    subject_token_env: options.subjectTokenEnv ?? '',
    subject_token_file: absolute(options.subjectTokenFile) ?? '',
  }
  return Object.values(source).some((value) => value !== '') ? source : {}
}
