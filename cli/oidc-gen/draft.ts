import { resolve } from 'node:path'
import type { JsonObject, SpaceSeparated } from '../../protocol/messages.ts'
import type { ChosenIssuer } from './choose-issuer.ts'
import { extensionFields } from './own-fields.ts'
import type { GenContext } from './setting.ts'

/** Where the provider is and whom to trust for it. */
export interface ProviderConfig {
  readonly issuer: string
  readonly configEndpoint: string | undefined
  readonly certPath: string | undefined
}

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
