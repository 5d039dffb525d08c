import { bearerToken } from '../bearer-token.ts'
import { type Endpoint, isOver, refuse } from '../provider.ts'
import { json } from '../response.ts'

/** OpenID Connect Core §5.3. */
export const userinfo: Endpoint = (provider, request) => {
  const token = provider.store.accessTokens.get(bearerToken(request) ?? '')
  if (token === undefined || isOver(provider, token)) return refuse(provider, 'accessTokenInvalid')
  return json(200, { sub: token.grant.subject })
}
