import { audienceWish, refreshAudience } from '../audience.ts'
import type { KnownClient, RefreshToken } from '../books.ts'
import { isOver, type Provider, refuse } from '../provider.ts'
import { newRefreshToken } from '../refresh-token.ts'
import { permitted, refreshScope, spelledOut, words } from '../scopes.ts'
import { tokenAnswer } from '../token-answer.ts'
import { checkUser, field, type GrantHandler } from './grant-handler.ts'

/** RFC 6749 §6. */
export const refresh: GrantHandler = async (provider, client, request) => {
  const { dials, books } = provider
  const token = liveToken(provider, client, field(provider, request, 'refresh_token'))
  const { grant } = token
  checkUser(provider, grant)
  const asked = spelledOut(provider, client, words(request.form['scope']))
  const scope = permitted(provider, refreshScope(provider, client, grant.scope, asked))
  const audience = refreshAudience(provider, grant, audienceWish(provider, request.fields))
  // From here on nothing is refused: what is used up is used up for an answer.
  const staysSilent = dials.offlineAccessAtRefresh && !asked.includes('offline_access')
  const refreshToken = staysSilent ? undefined : await turned(provider, token)
  if (dials.earlierAccessTokensDeleted) books.forgetAccessTokens(grant)
  return tokenAnswer(
    provider,
    grant,
    { scope, audience },
    {
      refreshToken,
      idToken: dials.idTokenAtRefresh,
    },
  )
}

function liveToken(provider: Provider, client: KnownClient, value: string): RefreshToken {
  const { books, dials } = provider
  const token = books.refreshTokens.get(value)
  if (token === undefined) return refuse(provider, 'refreshTokenDead', value)
  if (token.grant.clientId !== client.id) {
    if (dials.foreignClientDeletesRefreshToken) books.refreshTokens.delete(value)
    return refuse(provider, 'refreshTokenDead', value)
  }
  if (token.grant.revoked || isOver(provider, token)) refuse(provider, 'refreshTokenDead', value)
  if (token.spent && dials.rotation === 'new one, reuse revokes the family') {
    books.revoke(token.grant)
    refuse(provider, 'refreshTokenReused', value)
  }
  return token.spent ? refuse(provider, 'refreshTokenDead', value) : token
}

/** The refresh token that goes into the answer. */
async function turned(provider: Provider, token: RefreshToken): Promise<RefreshToken | undefined> {
  switch (provider.dials.rotation) {
    case 'same token comes back':
      return token
    case 'no token comes back':
      return undefined
    case 'new one, old one stays':
      return newRefreshToken(provider, token.grant)
    case 'new one, old one dies':
    case 'new one, reuse revokes the family':
      token.spent = true
      return newRefreshToken(provider, token.grant)
  }
}
