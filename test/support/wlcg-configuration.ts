import type {
  Adapter,
  AdapterPayload,
  ClientMetadata,
  Configuration,
  KoaContextWithOIDC,
} from 'oidc-provider'
import { InvalidScope } from 'oidc-provider/lib/helpers/errors.js'
import { page } from './provider-pages.ts'
import type { SigningKey } from './signing-key.ts'
import { covered, SUPPORTED_SCOPES, WLCG_ANY } from './wlcg-scopes.ts'

/** What a test may change while the provider runs. */
export interface ProviderRules {
  /** Lifetime of access tokens, seconds. */
  accessTokenSeconds: number
  /** Lifetime of device codes, seconds. */
  deviceCodeSeconds: number
  /** `interval` between polls, seconds; undefined: absent, as at IAM. */
  pollSeconds: number | undefined
  /** True: each refresh returns a new refresh token, and a second use of an old one revokes the grant. */
  rotate: boolean
}

/** oidc-provider configured like an INDIGO IAM of the WLCG (wlcg.md §6). */
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

/** The scopes of this request that the client may have. Others are refused, as by IAM. */
function permittedScope(ctx: KoaContextWithOIDC, clientScope: string | undefined): string {
  const { RefreshToken, DeviceCode, AuthorizationCode } = ctx.oidc.entities
  const source = RefreshToken ?? DeviceCode ?? AuthorizationCode
  const requested = new Set([...ctx.oidc.requestParamScopes, ...(source?.scopes ?? [])])
  const permitted = covered(clientScope?.split(' ') ?? SUPPORTED_SCOPES, requested)
  const refused = [...requested].find((word) => !permitted.includes(word))
  if (refused !== undefined && ctx.oidc.route === 'device_authorization') {
    throw new InvalidScope('One or more requested scope is not allowed for client', refused)
  }
  return permitted.join(' ')
}

/** The claims of the WLCG profile (WLCG Common JWT Profile §"Claims"), and the requested audience. */
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

/** `audience`: free text, a space-separated list (INDIGO IAM); in the device flow that of the device authorization. */
function audienceOf(ctx: KoaContextWithOIDC): readonly string[] {
  const audience = ctx.oidc.body?.['audience'] ?? ctx.oidc.entities.DeviceCode?.params?.['audience']
  return typeof audience === 'string' ? audience.split(' ').filter((word) => word !== '') : []
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

interface Entry {
  readonly payload: AdapterPayload
  readonly expiresAt: number
}

/**
 * The storage of one provider. oidc-provider's own is shared by the whole process and drops grants
 * after a thousand entries, which a benchmark reaches.
 */
function createMemoryAdapters(): (model: string) => Adapter {
  const entries = new Map<string, Entry>()
  return (model) => memoryAdapter(model, entries)
}

function memoryAdapter(model: string, entries: Map<string, Entry>): Adapter {
  const keyOf = (id: string): string => `${model}:${id}`
  const find = (id: string): AdapterPayload | undefined => {
    const entry = entries.get(keyOf(id))
    // An expired device code is kept, because its poll must get `expired_token`.
    const isKept = entry === undefined || entry.expiresAt > Date.now() || model === 'DeviceCode'
    if (isKept) return entry?.payload
    entries.delete(keyOf(id))
    return undefined
  }
  const findBy = (name: 'uid' | 'userCode', value: string): AdapterPayload | undefined => {
    for (const [key, { payload }] of entries) {
      if (key.startsWith(`${model}:`) && payload[name] === value) return payload
    }
    return undefined
  }
  return {
    find: (id) => Promise.resolve(find(id)),
    findByUid: (uid) => Promise.resolve(findBy('uid', uid)),
    findByUserCode: (userCode) => Promise.resolve(findBy('userCode', userCode)),
    upsert: (id, payload, expiresIn) => {
      const expiresAt = expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000
      entries.set(keyOf(id), { payload, expiresAt })
      return Promise.resolve()
    },
    consume: (id) => {
      const payload = find(id)
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000)
      return Promise.resolve()
    },
    destroy: (id) => {
      entries.delete(keyOf(id))
      return Promise.resolve()
    },
    revokeByGrantId: (grantId) => {
      for (const [key, { payload }] of entries) {
        if (payload.grantId === grantId) entries.delete(key)
      }
      return Promise.resolve()
    },
  }
}
