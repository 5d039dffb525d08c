import { randomUUID } from 'node:crypto'
import { issuerOf, type Provider, secondsNow } from './provider.ts'
import type { Fields } from './response.ts'
import { apisOf, scopeOf } from './scopes.ts'
import { type Grant, unguessable } from './store.ts'

/** What one access token is for. */
export interface AccessTokenOptions {
  readonly scope: readonly string[]
  readonly audience: readonly string[]
}

/** The WLCG profile's audience for a token that is good everywhere. */
const WLCG_ANY = 'https://wlcg.cern.ch/jwt/v1/any'

/** Scopes that name a token profile to IAM (IAM: ScopeAwareProfileResolver). */
const PROFILES = ['wlcg', 'iam', 'aarc', 'kc']

/** Makes an access token and remembers it. */
export async function newAccessToken(
  provider: Provider,
  grant: Grant,
  { scope, audience }: AccessTokenOptions,
): Promise<string> {
  const { settings, store, key } = provider
  const expiresAt = secondsNow(provider) + settings.accessTokenSeconds
  const aud = audienceOf(provider, grant, scope, audience)
  const value =
    settings.accessTokenForm === 'opaque'
      ? `at.${unguessable(48)}`
      : await key.sign(claimsOf(provider, grant, scope, aud))
  store.accessTokens.set(value, { value, grant, scope, audience: aud, expiresAt })
  return value
}

function audienceOf(
  provider: Provider,
  grant: Grant,
  scope: readonly string[],
  asked: readonly string[],
): readonly string[] {
  const { audienceAnswered, audienceFromScope, defaultAudience } = provider.settings
  if (audienceAnswered !== undefined) return [audienceAnswered]
  if (audienceFromScope) return apisOf(scope)
  if (asked.length > 0) return asked
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
  const slashless = settings.accessTokenIssuer === 'without trailing slash'
  const basis = {
    iss: slashless ? issuer.replace(/\/$/, '') : issuer,
    sub: grant.subject,
    iat,
    exp: iat + settings.accessTokenSeconds,
    jti: randomUUID(),
    ...(audience.length === 0 ? {} : { aud: audience.length === 1 ? audience[0] : audience }),
  }
  const said = settings.scopeAnswered ?? scope.join(' ')
  switch (profileOf(provider, grant)) {
    case 'plain':
      return { ...basis, client_id: grant.clientId, scope: said }
    case 'IAM':
      // wlcg.md §6, "JWT profile": no scope, nbf and wlcg.ver, so that grid services refuse it.
      return { ...basis, client_id: grant.clientId }
    case 'WLCG':
      return {
        ...basis,
        client_id: grant.clientId,
        nbf: iat,
        scope: said,
        'wlcg.ver': '1.0',
        ...groupsFor(settings.groups, scope),
      }
    case 'Keycloak':
      return { ...basis, typ: 'Bearer', azp: grant.clientId, sid: 'session-1', scope: said }
    case 'Entra':
      return { ...basis, ver: '2.0', azp: grant.clientId, scp: said.replace(/\S*:\/\/\S*\//g, '') }
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
  // Several: the default, as if none were named.
  return named.length === 1 && named[0] === 'wlcg' ? 'WLCG' : 'IAM'
}

/** Only on request; a group the person is not in is just left out (IAM: WLCGGroupHelper). */
function groupsFor(held: readonly string[], scope: readonly string[]): Fields {
  const wishes = scope.filter((word) => word.split(':')[0] === 'wlcg.groups')
  if (wishes.length === 0) return {}
  const named = wishes.map((word) => word.split(':')[1]).filter((group) => group !== undefined)
  const first = named.filter((group) => held.includes(group))
  const others = wishes.includes('wlcg.groups')
    ? held.filter((group) => !first.includes(group))
    : []
  return { 'wlcg.groups': [...first, ...others] }
}
