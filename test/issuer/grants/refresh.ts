import { refreshAudience, requestedAudience } from '../audience.ts'
import { isOver, type Provider, refuse } from '../provider.ts'
import { newRefreshToken } from '../refresh-token.ts'
import { permitted, refreshScope, spelledOut, words } from '../scopes.ts'
import type { KnownClient, RefreshToken } from '../store.ts'
import { tokenAnswer } from '../token-response.ts'
import { checkUser, field, type GrantHandler } from './grant-handler.ts'

/** RFC 6749 §6. */
export const refresh: GrantHandler = async (provider, client, request) => {
  const { settings, store } = provider
  const token = liveToken(provider, client, field(provider, request, 'refresh_token'))
  const { grant } = token
  checkUser(provider, grant)
  const asked = spelledOut(provider, client, words(request.form['scope']))
  const scope = permitted(provider, refreshScope(provider, client, grant.scope, asked))
  const audience = refreshAudience(provider, grant, requestedAudience(provider, request.fields))
  // From here on nothing is refused: what is used up is used up for an answer.
  const staysSilent = settings.offlineAccessAtRefresh && !asked.includes('offline_access')
  const refreshToken = staysSilent ? undefined : await turned(provider, token)
  if (settings.earlierAccessTokensDeleted) store.forgetAccessTokens(grant)
  return tokenAnswer(
    provider,
    grant,
    { scope, audience },
    {
      refreshToken,
      idToken: settings.idTokenAtRefresh,
    },
  )
}

function liveToken(provider: Provider, client: KnownClient, value: string): RefreshToken {
  const { store, settings } = provider
  const token = store.refreshTokens.get(value)
  if (token === undefined) return refuse(provider, 'refreshTokenDead', value)
  if (token.grant.clientId !== client.id) {
    if (settings.foreignClientDeletesRefreshToken) store.refreshTokens.delete(value)
    return refuse(provider, 'refreshTokenDead', value)
  }
  if (token.grant.revoked || isOver(provider, token)) refuse(provider, 'refreshTokenDead', value)
  if (token.spent && settings.rotation === 'new one, reuse revokes the family') {
    store.revoke(token.grant)
    refuse(provider, 'refreshTokenReused', value)
  }
  return token.spent ? refuse(provider, 'refreshTokenDead', value) : token
}

/** The refresh token that goes into the answer. */
async function turned(provider: Provider, token: RefreshToken): Promise<RefreshToken | undefined> {
  switch (provider.settings.rotation) {
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
