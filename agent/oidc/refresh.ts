import type { Upstream } from './openid-call.ts'
import type { Client, RefreshParameters, TokenResponse } from './provider.ts'
import { requestToken } from './token-call.ts'
import { refreshRequestParameters } from './token-wish.ts'

/** A new access token by refresh token (RFC 6749 §6). */
export function refreshTokenGrant(
  client: Client,
  grant: RefreshParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'refresh',
      secrets: [grant.refreshToken],
      use: ({ library, configuration, profile }) =>
        library.refreshTokenGrant(
          configuration,
          grant.refreshToken.reveal(),
          refreshRequestParameters(grant, client, profile),
        ),
    },
    signal,
  )
}
