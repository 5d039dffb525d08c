import type { Upstream } from './openid-call.ts'
import type {
  Client,
  PasswordParameters,
  TokenExchangeParameters,
  TokenParameters,
  TokenResponse,
} from './provider.ts'
import { requestToken } from './token-call.ts'
import { authorizationRequestParameters, tokenRequestParameters } from './token-wish.ts'

const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** Tokens for a name and a password (RFC 6749 §4.3.2). */
export function passwordGrant(
  client: Client,
  grant: PasswordParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'password',
      secrets: [grant.password],
      use: ({ library, configuration, profile }) => {
        const fields = authorizationRequestParameters(grant, client, profile)
        fields.set('username', grant.username)
        fields.set('password', grant.password.reveal())
        return library.genericGrantRequest(configuration, 'password', fields)
      },
    },
    signal,
  )
}

/** An access token for the client itself (RFC 6749 §4.4.2). */
export function clientCredentialsGrant(
  client: Client,
  parameters: TokenParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'client credentials',
      secrets: [],
      use: ({ library, configuration, profile }) =>
        library.clientCredentialsGrant(
          configuration,
          tokenRequestParameters(parameters, client, profile),
        ),
    },
    signal,
  )
}

/** An access token for a token of somebody else (RFC 8693 §2.1). */
export function tokenExchange(
  client: Client,
  grant: TokenExchangeParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'token exchange',
      secrets: [grant.subjectToken],
      use: ({ library, configuration, profile }) => {
        const fields = tokenRequestParameters(grant, client, profile)
        fields.set('subject_token', grant.subjectToken.reveal())
        fields.set('subject_token_type', grant.subjectTokenType)
        fields.set('requested_token_type', ACCESS_TOKEN_TYPE)
        return library.genericGrantRequest(configuration, EXCHANGE_GRANT, fields)
      },
    },
    signal,
  )
}
