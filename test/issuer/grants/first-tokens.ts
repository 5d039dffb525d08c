import type { Provider } from '../provider.ts'
import { newRefreshToken } from '../refresh-token.ts'
import type { Answer } from '../response.ts'
import type { Grant, KnownClient } from '../store.ts'
import { tokenAnswer } from '../token-response.ts'
import { checkUser } from './grant-handler.ts'

/**
 * The first tokens of a grant that a person gave.
 * @throws Refused where the person may have none.
 */
export async function firstTokens(
  provider: Provider,
  client: KnownClient,
  grant: Grant,
): Promise<Answer> {
  checkUser(provider, grant)
  const refreshToken = mayRefresh(provider, client, grant)
    ? await newRefreshToken(provider, grant)
    : undefined
  return tokenAnswer(provider, grant, grant, { refreshToken, idToken: true })
}

function mayRefresh({ settings }: Provider, client: KnownClient, grant: Grant): boolean {
  if (!(client.grantTypes ?? settings.grantTypes).includes('refresh_token')) return false
  switch (settings.refreshTokenFor) {
    case 'everyone':
      return true
    case 'offline_access':
      return grant.scope.includes('offline_access')
    case 'access_type=offline':
      return grant.offline
  }
}
