import type { Upstream } from './openid-call.ts'
import type { Client, ExchangeGrant, PasswordGrant, TokenResponse, TokenWish } from './provider.ts'
import { askForToken } from './token-call.ts'
import { loginFields, wishFields } from './token-wish.ts'

const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** Tokens for a name and a password (RFC 6749 §4.3.2). */
export function password(
  client: Client,
  grant: PasswordGrant,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return askForToken(
    client,
    upstream,
    {
      purpose: 'password',
      secrets: [grant.password],
      use: ({ library, configuration, family }) => {
        const fields = loginFields(grant, client, family)
        fields.set('username', grant.username)
        fields.set('password', grant.password.reveal())
        return library.genericGrantRequest(configuration, 'password', fields)
      },
    },
    signal,
  )
}

/** An access token for the client itself (RFC 6749 §4.4.2). */
export function clientCredentials(
  client: Client,
  wish: TokenWish,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return askForToken(
    client,
    upstream,
    {
      purpose: 'client credentials',
      secrets: [],
      use: ({ library, configuration, family }) =>
        library.clientCredentialsGrant(configuration, wishFields(wish, client, family)),
    },
    signal,
  )
}

/** An access token for a token of somebody else (RFC 8693 §2.1). */
export function exchangeToken(
  client: Client,
  grant: ExchangeGrant,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return askForToken(
    client,
    upstream,
    {
      purpose: 'token exchange',
      secrets: [grant.subjectToken],
      use: ({ library, configuration, family }) => {
        const fields = wishFields(grant, client, family)
        fields.set('subject_token', grant.subjectToken.reveal())
        fields.set('subject_token_type', grant.subjectTokenType)
        fields.set('requested_token_type', ACCESS_TOKEN_TYPE)
        return library.genericGrantRequest(configuration, EXCHANGE_GRANT, fields)
      },
    },
    signal,
  )
}
