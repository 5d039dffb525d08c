import type { Upstream } from './openid-call.ts'
import type { Client, RefreshGrant, TokenResponse } from './provider.ts'
import { askForToken } from './token-call.ts'
import { refreshFields } from './token-wish.ts'

/** A new access token by refresh token (RFC 6749 §6). */
export function refresh(
  client: Client,
  grant: RefreshGrant,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return askForToken(
    client,
    upstream,
    {
      purpose: 'refresh',
      secrets: [grant.refreshToken],
      use: ({ library, configuration, family }) =>
        library.refreshTokenGrant(
          configuration,
          grant.refreshToken.reveal(),
          refreshFields(grant, client, family),
        ),
    },
    signal,
  )
}
