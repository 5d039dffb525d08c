import { authenticate } from '../client-authentication.ts'
import { field } from '../grants/grant-handler.ts'
import type { Endpoint } from '../provider.ts'
import { empty } from '../response.ts'

/** RFC 7009: a token nobody knows is revoked as well. */
export const revocation: Endpoint = async (provider, request) => {
  const { store } = provider
  const client = await authenticate(provider, request)
  const value = field(provider, request, 'token')
  const refreshToken = store.refreshTokens.get(value)
  if (refreshToken?.grant.clientId === client.id) store.revoke(refreshToken.grant)
  if (store.accessTokens.get(value)?.grant.clientId === client.id) store.accessTokens.delete(value)
  return empty(200)
}
