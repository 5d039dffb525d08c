import { AgentError } from '../../protocol/wire/errors.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { checkUrl, trustFor, urlOf } from '../http/url-policy.ts'
import type {
  AuthorizationCodeParameters,
  AuthorizationRequest,
  Client,
  TokenResponse,
} from './provider.ts'
import { prepare, requestToken, type Upstream } from './token-endpoint.ts'
import { authorizationRequestParameters } from './token-parameters.ts'

/** The address a person is sent to (RFC 6749 §4.1.1, RFC 7636 §4.3). */
export async function authorizationUrl(
  client: Client,
  request: AuthorizationRequest,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<string> {
  const { library, configuration, document, profile } = await prepare(client, upstream, signal)
  const { authorization_endpoint: endpoint } = document
  if (endpoint === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Authorization Code Flow not Supported by OpenID Provider',
    )
  }
  checkUrl(urlOf(endpoint), trustFor(client.provider))
  const fields = authorizationRequestParameters(request, client, profile)
  fields.set('redirect_uri', request.redirectUri)
  fields.set('state', request.state)
  // Never `plain`: where the provider does not know S256, it has to ignore both.
  fields.set('code_challenge', request.codeChallenge)
  fields.set('code_challenge_method', 'S256')
  if (request.offlineAccess) {
    // OpenID Connect Core §11: without consent no offline access. The second is Google's word for it.
    fields.set('prompt', 'consent')
    if (profile.offlineAccess === 'access_type') fields.set('access_type', 'offline')
  }
  return library.buildAuthorizationUrl(configuration, fields).href
}

/**
 * Tokens for a code (RFC 6749 §4.1.3). Not through openid-client's own function for it, which makes
 * the redirect URI anew from a URL: `http://localhost:4242` then ends in a slash, and is refused.
 */
export async function authorizationCodeGrant(
  client: Client,
  response: AuthorizationCodeParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  await checkAnswerer(client, response, upstream, signal)
  const { code, redirectUri, codeVerifier } = response
  return requestToken(
    client,
    upstream,
    {
      purpose: 'code exchange',
      secrets: [new Secret(code), new Secret(codeVerifier)],
      use: ({ library, configuration }) =>
        library.genericGrantRequest(configuration, 'authorization_code', {
          code,
          redirect_uri: redirectUri,
          code_verifier: codeVerifier,
        }),
    },
    signal,
  )
}

/** RFC 9207 §2.4: the code of one provider must not be handed to another. */
async function checkAnswerer(
  client: Client,
  { issuerParameter }: AuthorizationCodeParameters,
  { discovery }: Upstream,
  signal: AbortSignal,
): Promise<void> {
  const document = await discovery.find(client.provider, signal)
  const { issuer, authorization_response_iss_parameter_supported: always } = document
  if (issuerParameter === issuer || (issuerParameter === undefined && always !== true)) return
  const answerer =
    issuerParameter === undefined ? 'somebody without a name' : providerText(issuerParameter, [])
  throw new AgentError(
    'wrong-issuer',
    `the login was answered by ${answerer} and not by ${providerText(issuer, [])}: it is not used`,
    {
      hint: 'Start the login again. If it happens again, tell the provider: it looks like an attack.',
    },
  )
}
