import { authenticate, bearerToken } from '../client-authentication.ts'
import { type Endpoint, isExpired, type Provider, parameter, refuse } from '../provider.ts'
import { empty, type Fields, json } from '../response.ts'
import type { AccessToken, RefreshToken } from '../store.ts'

/** RFC 7662: an unknown token is not active. */
export const introspection: Endpoint = async (provider, request) => {
  await authenticate(provider, request)
  const value = parameter(provider, request, 'token')
  const { accessTokens, refreshTokens } = provider.store
  return json(
    200,
    accessMembers(provider, accessTokens.get(value)) ??
      refreshMembers(provider, refreshTokens.get(value)) ?? { active: false },
  )
}

function accessMembers(provider: Provider, token: AccessToken | undefined): Fields | undefined {
  if (token === undefined || isExpired(provider, token)) return undefined
  return { ...members(token, token.scope), aud: token.audience }
}

function refreshMembers(provider: Provider, token: RefreshToken | undefined): Fields | undefined {
  if (token === undefined || isExpired(provider, token)) return undefined
  return token.spent || token.grant.revoked ? undefined : members(token, token.grant.scope)
}

function members(
  { grant, expiresAt }: AccessToken | RefreshToken,
  scope: readonly string[],
): Fields {
  return {
    active: true,
    sub: grant.subject,
    client_id: grant.clientId,
    scope: scope.join(' '),
    ...(expiresAt === undefined ? {} : { exp: expiresAt }),
  }
}

/** RFC 7009 §2.2: revoking an unknown token succeeds. */
export const revocation: Endpoint = async (provider, request) => {
  const { store } = provider
  const client = await authenticate(provider, request)
  const value = parameter(provider, request, 'token')
  const refreshToken = store.refreshTokens.get(value)
  if (refreshToken?.grant.clientId === client.id) store.revoke(refreshToken.grant)
  if (store.accessTokens.get(value)?.grant.clientId === client.id) store.accessTokens.delete(value)
  return empty(200)
}

/** OpenID Connect Core §5.3. */
export const userinfo: Endpoint = (provider, request) => {
  const token = provider.store.accessTokens.get(bearerToken(request) ?? '')
  if (token === undefined || isExpired(provider, token))
    return refuse(provider, 'accessTokenInvalid')
  return json(200, { sub: token.grant.subject })
}
