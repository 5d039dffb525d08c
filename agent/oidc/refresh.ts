import { callAs, type Upstream } from './openid-call.ts'
import type { Client, RefreshGrant, TokenResponse } from './provider.ts'
import { readTokenContent, tokenResponseOf } from './token-response.ts'
import { wishFields } from './token-wish.ts'

/** A new access token by refresh token (RFC 6749 §6). */
export async function refresh(
  client: Client,
  grant: RefreshGrant,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  const { result, content, answer } = await callAs(
    client,
    upstream,
    {
      exchange: { purpose: 'refresh', secrets: secretsOf(client, grant) },
      read: readTokenContent,
      use: (library, configuration) =>
        library.refreshTokenGrant(
          configuration,
          grant.refreshToken.reveal(),
          wishFields(grant, client),
        ),
    },
    signal,
  )
  return tokenResponseOf(result, content, answer, upstream.now())
}

function secretsOf(
  { secret }: Client,
  { refreshToken }: RefreshGrant,
): RefreshGrant['refreshToken'][] {
  return secret === undefined ? [refreshToken] : [refreshToken, secret]
}
