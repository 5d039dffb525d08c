import { randomUUID } from 'node:crypto'
import { issuerOf, type Provider, secondsNow } from './provider.ts'
import { unsigned } from './signing.ts'
import { type Grant, type RefreshToken, unguessable } from './store.ts'

/** Makes a refresh token and remembers it. */
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
      return `rt.${unguessable(32)}`
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
