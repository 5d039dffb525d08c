import { authenticate } from '../client-authentication.ts'
import { field } from '../grants/grant-handler.ts'
import { type Endpoint, isOver, type Provider } from '../provider.ts'
import { type Fields, json } from '../response.ts'
import type { AccessToken, RefreshToken } from '../store.ts'

/** RFC 7662: what is not known (any more) is not active. */
export const introspection: Endpoint = async (provider, request) => {
  await authenticate(provider, request)
  const value = field(provider, request, 'token')
  const { accessTokens, refreshTokens } = provider.store
  return json(
    200,
    accessMembers(provider, accessTokens.get(value)) ??
      refreshMembers(provider, refreshTokens.get(value)) ?? { active: false },
  )
}

function accessMembers(provider: Provider, token: AccessToken | undefined): Fields | undefined {
  if (token === undefined || isOver(provider, token)) return undefined
  return { ...members(token, token.scope), aud: token.audience }
}

function refreshMembers(provider: Provider, token: RefreshToken | undefined): Fields | undefined {
  if (token === undefined || isOver(provider, token)) return undefined
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
