import { type AccessTokenOptions, newAccessToken } from './access-token.ts'
import { issuerOf, type Provider, secondsNow } from './provider.ts'
import { type Answer, type Fields, json } from './response.ts'
import type { Grant, RefreshToken } from './store.ts'

/** What a token answer carries besides the access token. */
export interface TokenExtras {
  readonly refreshToken?: RefreshToken | undefined
  /** True: an ID token, where the scope has `openid`. */
  readonly idToken?: boolean
  /** More members, e.g. `issued_token_type`. */
  readonly members?: Fields
}

/** A successful answer of the token endpoint (RFC 6749 §5.1). */
export async function tokenAnswer(
  provider: Provider,
  grant: Grant,
  wish: AccessTokenOptions,
  { refreshToken, idToken = false, members = {} }: TokenExtras,
): Promise<Answer> {
  const { settings } = provider
  return json(200, {
    access_token: await newAccessToken(provider, grant, wish),
    token_type: 'Bearer',
    ...(settings.expiresInShown ? { expires_in: settings.accessTokenSeconds } : {}),
    scope: settings.scopeAnswered ?? scopeShown(provider, wish.scope).join(' '),
    ...(refreshToken === undefined ? {} : refreshMembers(provider, refreshToken)),
    ...(idToken && wish.scope.includes('openid')
      ? { id_token: await idTokenFor(provider, grant) }
      : {}),
    ...settings.tokenAnswerExtras,
    ...members,
  })
}

function scopeShown({ settings }: Provider, scope: readonly string[]): readonly string[] {
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
