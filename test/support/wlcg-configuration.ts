import type { ClientMetadata, Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { InvalidScope } from 'oidc-provider/lib/helpers/errors.js'
import { createMemoryAdapters } from './memory-adapter.ts'
import { page } from './provider-pages.ts'
import type { SigningKey } from './signing-key.ts'
import { covered, SUPPORTED_SCOPES, WLCG_ANY } from './wlcg-scopes.ts'

/** What a test may turn while the provider runs. */
export interface ProviderRules {
  /** Seconds an access token lives. */
  accessTokenSeconds: number
  /** Seconds a device code lives. */
  deviceCodeSeconds: number
  /** Seconds a client is told to wait between polls; undefined: it is told nothing, as by IAM. */
  pollSeconds: number | undefined
  /** Each refresh gives a new refresh token; a second use of an old one revokes the grant. */
  rotate: boolean
}

/** oidc-provider set up as an INDIGO IAM of the WLCG is (wlcg.md §6). */
export function wlcgConfiguration(
  rules: ProviderRules,
  clients: readonly ClientMetadata[],
  key: SigningKey,
): Configuration {
  return {
    adapter: createMemoryAdapters(),
    clients: [...clients],
    jwks: { keys: [{ ...key.jwk }] },
    cookies: { keys: ['not a secret: it lives as long as the test'] },
    scopes: [...SUPPORTED_SCOPES],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    extraParams: ['audience'],
    ttl: {
      AccessToken: () => rules.accessTokenSeconds,
      ClientCredentials: () => rules.accessTokenSeconds,
      DeviceCode: () => rules.deviceCodeSeconds,
      Grant: 86_400,
      IdToken: 600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    rotateRefreshToken: () => rules.rotate,
    issueRefreshToken: (_ctx, client, code) =>
      client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    expiresWithSession: () => false,
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: () => ({ sub, name: sub, email: `${sub}@example.org` }),
    }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    formats: { customizers: { jwt: (ctx, token, parts) => wlcgProfile(ctx, token.aud, parts) } },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: devicePages(),
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      introspection: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf?.[0] ?? WLCG_ANY,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource, client) => ({
          audience: resource,
          scope: permittedScope(ctx, client.scope),
          accessTokenFormat: 'jwt',
          accessTokenTTL: rules.accessTokenSeconds,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
}

/** What of the scopes in this request the client may have. Wider wishes are refused, as in IAM. */
function permittedScope(ctx: KoaContextWithOIDC, clientScope: string | undefined): string {
  const { RefreshToken, DeviceCode, AuthorizationCode } = ctx.oidc.entities
  const source = RefreshToken ?? DeviceCode ?? AuthorizationCode
  const asked = new Set([...ctx.oidc.requestParamScopes, ...(source?.scopes ?? [])])
  const permitted = covered(clientScope?.split(' ') ?? SUPPORTED_SCOPES, asked)
  const refused = [...asked].find((word) => !permitted.includes(word))
  if (refused !== undefined && ctx.oidc.route === 'device_authorization') {
    throw new InvalidScope('One or more requested scope is not allowed for client', refused)
  }
  return permitted.join(' ')
}

/** The claims of the WLCG profile (WLCG Common JWT Profile §"Claims"), and the audience asked for. */
function wlcgProfile(
  ctx: KoaContextWithOIDC,
  aud: unknown,
  parts: { payload: Record<string, unknown> },
): void {
  const audience = audienceOf(ctx)
  parts.payload['wlcg.ver'] = '1.0'
  parts.payload['nbf'] = parts.payload['iat']
  if (audience.length > 0 && aud === WLCG_ANY) {
    parts.payload['aud'] = audience.length === 1 ? audience[0] : audience
  }
  if (String(parts.payload['scope']).split(' ').includes('wlcg.groups')) {
    parts.payload['wlcg.groups'] = ['/wlcg', '/wlcg/pilots']
  }
}

/** `audience`: free text, a space separated list (INDIGO IAM); at a device grant from its start. */
function audienceOf(ctx: KoaContextWithOIDC): readonly string[] {
  const asked = ctx.oidc.body?.['audience'] ?? ctx.oidc.entities.DeviceCode?.params?.['audience']
  return typeof asked === 'string' ? asked.split(' ').filter((word) => word !== '') : []
}

function devicePages(): NonNullable<Configuration['features']>['deviceFlow'] {
  return {
    enabled: true,
    deviceInfo: () => ({}),
    userCodeInputSource: (ctx, form, _out, error) => {
      const complaint = error === undefined ? '' : `<p>${error.name}</p>`
      ctx.body = page('Enter code', `${complaint}${form}`)
    },
    userCodeConfirmSource: (ctx, form) => {
      const cancel = '<button type="submit" name="abort" value="yes">Cancel</button>'
      ctx.body = page('Confirm', form.replace('</form>', `${cancel}</form>`))
    },
    successSource: (ctx) => {
      ctx.body = page('Device approved', '')
    },
  }
}
