import { randomUUID } from 'node:crypto'
import { issuerOf, type Provider, secondsNow, unsigned } from './provider.ts'
import { type Fields, type HttpResponse, json } from './response.ts'
import { apisOf, scopeOf } from './scopes.ts'
import { type Grant, type RefreshToken, randomToken } from './store.ts'

/** What a token response contains besides the access token. */
interface TokenExtras {
  readonly refreshToken?: RefreshToken | undefined
  /** True: an ID token, if the scope contains `openid`. */
  readonly idToken?: boolean
  /** Further members, e.g. `issued_token_type`. */
  readonly members?: Fields
}

/** A successful response of the token endpoint (RFC 6749 §5.1). */
export async function tokenResponse(
  provider: Provider,
  grant: Grant,
  accessToken: AccessTokenOptions,
  { refreshToken, idToken = false, members = {} }: TokenExtras,
): Promise<HttpResponse> {
  const { settings } = provider
  return json(200, {
    access_token: await newAccessToken(provider, grant, accessToken),
    token_type: 'Bearer',
    ...(settings.expiresInShown ? { expires_in: settings.accessTokenSeconds } : {}),
    scope: settings.scopeReturned ?? scopeMember(provider, accessToken.scope).join(' '),
    ...(refreshToken === undefined ? {} : refreshMembers(provider, refreshToken)),
    ...(idToken && accessToken.scope.includes('openid')
      ? { id_token: await idTokenFor(provider, grant) }
      : {}),
    ...settings.tokenResponseExtras,
    ...members,
  })
}

function scopeMember({ settings }: Provider, scope: readonly string[]): readonly string[] {
  return settings.audienceFromScope ? scope.filter((word) => word.includes('://')) : scope
}

function refreshMembers(provider: Provider, { value, expiresAt }: RefreshToken): Fields {
  if (!provider.settings.refreshExpiresInShown) return { refresh_token: value }
  const seconds = expiresAt === undefined ? 0 : expiresAt - secondsNow(provider)
  return { refresh_token: value, refresh_expires_in: seconds }
}

function idTokenFor(provider: Provider, grant: Grant): Promise<string> {
  const iat = secondsNow(provider)
  return provider.key.sign({
    iss: issuerOf(provider),
    sub: grant.subject,
    aud: grant.clientId,
    iat,
    exp: iat + provider.settings.idTokenSeconds,
    ...(grant.nonce === undefined ? {} : { nonce: grant.nonce }),
  })
}

/** Scope and audience of one access token. */
interface AccessTokenOptions {
  readonly scope: readonly string[]
  readonly audience: readonly string[]
}

/** The WLCG profile's audience for a token that every service accepts. */
const WLCG_ANY = 'https://wlcg.cern.ch/jwt/v1/any'

/** Scopes that name a token profile to IAM (IAM: ScopeAwareProfileResolver). */
const PROFILES = ['wlcg', 'iam', 'aarc', 'kc']

/** Makes an access token and stores it. */
async function newAccessToken(
  provider: Provider,
  grant: Grant,
  { scope, audience }: AccessTokenOptions,
): Promise<string> {
  const { settings, store, key } = provider
  const expiresAt = secondsNow(provider) + settings.accessTokenSeconds
  const aud = audienceOf(provider, grant, scope, audience)
  const value =
    settings.accessTokenForm === 'opaque'
      ? `at.${randomToken(48)}`
      : await key.sign(claimsOf(provider, grant, scope, aud))
  store.accessTokens.set(value, { value, grant, scope, audience: aud, expiresAt })
  return value
}

function audienceOf(
  provider: Provider,
  grant: Grant,
  scope: readonly string[],
  requested: readonly string[],
): readonly string[] {
  const { audienceReturned, audienceFromScope, defaultAudience } = provider.settings
  if (audienceReturned !== undefined) return [audienceReturned]
  if (audienceFromScope) return apisOf(scope)
  if (requested.length > 0) return requested
  if (profileOf(provider, grant) === 'WLCG') return [WLCG_ANY]
  return defaultAudience === undefined ? [] : [defaultAudience]
}

function claimsOf(
  provider: Provider,
  grant: Grant,
  scope: readonly string[],
  audience: readonly string[],
): Fields {
  const { settings } = provider
  const iat = secondsNow(provider)
  const issuer = issuerOf(provider)
  const isSlashless = settings.accessTokenIssuer === 'without trailing slash'
  const basis = {
    iss: isSlashless ? issuer.replace(/\/$/, '') : issuer,
    sub: grant.subject,
    iat,
    exp: iat + settings.accessTokenSeconds,
    jti: randomUUID(),
    ...(audience.length === 0 ? {} : { aud: audience.length === 1 ? audience[0] : audience }),
  }
  const scopeClaim = settings.scopeReturned ?? scope.join(' ')
  switch (profileOf(provider, grant)) {
    case 'plain':
      return { ...basis, client_id: grant.clientId, scope: scopeClaim }
    case 'IAM':
      // wlcg.md §6, "JWT profile": no scope, nbf and wlcg.ver, so that grid services refuse it.
      return { ...basis, client_id: grant.clientId }
    case 'WLCG':
      return {
        ...basis,
        client_id: grant.clientId,
        nbf: iat,
        scope: scopeClaim,
        'wlcg.ver': '1.0',
        ...groupsFor(settings.groups, scope),
      }
    case 'Keycloak':
      return { ...basis, typ: 'Bearer', azp: grant.clientId, sid: 'session-1', scope: scopeClaim }
    case 'Entra':
      return {
        ...basis,
        ver: '2.0',
        azp: grant.clientId,
        scp: scopeClaim.replace(/\S*:\/\/\S*\//g, ''),
      }
  }
}

function profileOf(
  provider: Provider,
  grant: Grant,
): 'plain' | 'WLCG' | 'IAM' | 'Keycloak' | 'Entra' {
  const { accessTokenProfile } = provider.settings
  if (accessTokenProfile !== 'by registered scope') return accessTokenProfile
  const client = provider.store.clients.get(grant.clientId)
  const registered = client === undefined ? [] : scopeOf(provider, client)
  const named = registered.filter((scope) => PROFILES.includes(scope))
  // IAM takes its default if a client has several of them.
  return named.length === 1 && named[0] === 'wlcg' ? 'WLCG' : 'IAM'
}

/** On request only; a group without the person as a member is left out (IAM: WLCGGroupHelper). */
function groupsFor(held: readonly string[], scope: readonly string[]): Fields {
  const requested = scope.filter((word) => word.split(':')[0] === 'wlcg.groups')
  if (requested.length === 0) return {}
  const named = requested.map((word) => word.split(':')[1]).filter((group) => group !== undefined)
  const first = named.filter((group) => held.includes(group))
  const others = requested.includes('wlcg.groups')
    ? held.filter((group) => !first.includes(group))
    : []
  return { 'wlcg.groups': [...first, ...others] }
}

/** Makes a refresh token and stores it. */
export async function newRefreshToken(provider: Provider, grant: Grant): Promise<RefreshToken> {
  const { settings, store } = provider
  const isOffline = grant.scope.includes('offline_access')
  const seconds = isOffline ? settings.offlineTokenSeconds : settings.refreshTokenSeconds
  const expiresAt = seconds === 0 ? undefined : secondsNow(provider) + seconds
  const value = await valueOf(provider, grant, expiresAt)
  const token = { value, grant, expiresAt, spent: false }
  store.refreshTokens.set(value, token)
  return token
}

function valueOf(
  provider: Provider,
  grant: Grant,
  expiresAt: number | undefined,
): Promise<string> | string {
  const claims = {
    jti: randomUUID(),
    iss: issuerOf(provider),
    ...(expiresAt === undefined ? {} : { exp: expiresAt }),
  }
  switch (provider.settings.refreshTokenForm) {
    case 'opaque':
      return `rt.${randomToken(32)}`
    case 'unsigned JWT':
      return unsigned(claims)
    case 'signed JWT':
      return provider.key.sign({
        ...claims,
        sub: grant.subject,
        azp: grant.clientId,
        typ: 'Refresh',
      })
  }
}
