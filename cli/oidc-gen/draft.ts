import { resolve } from 'node:path'
import type { JsonObject, SpaceSeparated } from '../../protocol/messages.ts'
import type { ChosenIssuer } from './choose-issuer.ts'
import { ownFields } from './own-fields.ts'
import type { GenSetting } from './setting.ts'

/** Where the provider is and whom to trust for it. */
export interface ProviderPlace {
  readonly issuer: string
  readonly configEndpoint: string | undefined
  readonly certPath: string | undefined
}

/** The provider's place, by option or as the issuer files say it. */
export function providerPlace(
  { url, known }: ChosenIssuer,
  { options }: GenSetting,
): ProviderPlace {
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
  readonly place: ProviderPlace
  readonly scope: SpaceSeparated
}

/**
 * The account's JSON, with all the keys that the C tools write and in their order (protocol.md §3.4).
 * It has no client yet.
 */
export function draftAccount(plan: AccountPlan, setting: GenSetting): JsonObject {
  const { options, host } = setting
  return {
    name: plan.name,
    client_name: `oidc-agent:${plan.name}-${options.clientName ?? host.hostName}`,
    issuer_url: plan.place.issuer,
    mytoken_url: '',
    ...endpoints(plan, setting),
    client_id: '',
    client_secret: '',
    refresh_token: setting.refreshToken ?? '',
    cert_path: plan.place.certPath ?? '',
    scope: plan.scope,
    auth_scope: plan.scope,
    refresh_scope: '',
    audience: options.audience ?? '',
    oauth: options.oauth2 ? 1 : 0,
    uses_pub_client: 0,
    mytoken_profile: {},
    redirect_uris: redirectUris(setting),
    username: options.username ?? '',
    password: options.password ?? '',
    ...ownFields(options),
  }
}

/** The C agent 4.x appends `.well-known/openid-configuration` to an issuer as it stands. */
function withSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer : `${issuer}/`
}

function endpoints({ issuer, place }: AccountPlan, { options }: GenSetting): JsonObject {
  const device = options.deviceEndpoint ?? issuer.known?.deviceAuthorizationEndpoint
  return {
    config_endpoint: place.configEndpoint ?? '',
    device_authorization_endpoint: device ?? '',
    daeSetByUser: device === undefined ? 0 : 1,
  }
}

/** The redirect URIs that were given. */
export function redirectUris({ options }: GenSetting): readonly string[] {
  return [
    ...options.redirectUri.flatMap((uris) => uris.split(' ').filter((uri) => uri !== '')),
    ...options.port.map((port) => `http://localhost:${port}`),
  ]
}
