import { AgentError } from '../../protocol/wire/errors.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { checkUrl, trustFor, urlOf } from '../http/http-client.ts'
import { assertClientId, type ProviderContext } from './client-authentication.ts'
import type {
  AuthorizationCodeParameters,
  AuthorizationRequest,
  Client,
  TokenResponse,
} from './provider.ts'
import { authorizationRequestParameters, configureLibrary, requestToken } from './token-endpoint.ts'

/** The URL for the user's browser (RFC 6749 §4.1.1, RFC 7636 §4.3). */
export async function authorizationUrl(
  client: Client,
  request: AuthorizationRequest,
  { discovery }: ProviderContext,
  signal: AbortSignal,
): Promise<string> {
  const { document, profile } = await discovery.find(client.provider, signal)
  assertClientId(client)
  const { authorization_endpoint: endpoint } = document
  if (endpoint === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Authorization Code Flow not Supported by OpenID Provider',
    )
  }
  checkUrl(urlOf(endpoint), trustFor(client.provider))
  const form = authorizationRequestParameters(request, client, profile)
  form.set('redirect_uri', request.redirectUri)
  form.set('state', request.state)
  // Never `plain`: a provider that does not know S256 has to ignore both parameters.
  form.set('code_challenge', request.codeChallenge)
  form.set('code_challenge_method', 'S256')
  if (request.offlineAccess) {
    // OpenID Connect Core §11: offline access requires consent.
    form.set('prompt', 'consent')
    if (profile.offlineAccess === 'access_type') form.set('access_type', 'offline')
  }
  const { library, configuration } = await configureLibrary(client, document)
  return library.buildAuthorizationUrl(configuration, form).href
}

/**
 * Tokens for an authorization code (RFC 6749 §4.1.3). Not by openid-client's own function, which parses
 * the redirect URI as a URL: `http://localhost:4242` would get a slash at its end and be refused.
 */
export async function authorizationCodeGrant(
  client: Client,
  response: AuthorizationCodeParameters,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<TokenResponse> {
  await checkIssuer(client, response, context, signal)
  const { code, redirectUri, codeVerifier } = response
  return requestToken(
    client,
    {
      purpose: 'code exchange',
      grantType: 'authorization_code',
      secrets: [new Secret(code), new Secret(codeVerifier)],
      parameters: () =>
        new URLSearchParams({ code, redirect_uri: redirectUri, code_verifier: codeVerifier }),
    },
    context,
    signal,
  )
}

/** RFC 9207 §2.4: the code of one provider must not be sent to another. */
async function checkIssuer(
  client: Client,
  { issuerParameter }: AuthorizationCodeParameters,
  { discovery }: ProviderContext,
  signal: AbortSignal,
): Promise<void> {
  const { document } = await discovery.find(client.provider, signal)
  const { issuer, authorization_response_iss_parameter_supported: always } = document
  if (issuerParameter === issuer || (issuerParameter === undefined && always !== true)) return
  const sender =
    issuerParameter === undefined
      ? 'an unknown issuer (without iss)'
      : providerText(issuerParameter, [])
  throw new AgentError(
    'wrong-issuer',
    `The response to the login came from ${sender} instead of ${providerText(issuer, [])}: it was rejected.`,
    {
      hint: 'Start the login again. If this happens again, report it to the provider: it may be an attack.',
    },
  )
}
