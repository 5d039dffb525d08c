import { type Endpoint, issuerOf, type Provider, urlOf } from '../provider.ts'
import { json } from '../response.ts'
import { publishedScopes } from '../scopes.ts'
import type { EndpointName } from '../settings.ts'

/** OpenID Connect Discovery §3, RFC 8414 §2: the member of each endpoint. */
const members: Readonly<Partial<Record<EndpointName, string>>> = {
  jwks: 'jwks_uri',
  authorization: 'authorization_endpoint',
  token: 'token_endpoint',
  device: 'device_authorization_endpoint',
  registration: 'registration_endpoint',
  revocation: 'revocation_endpoint',
  introspection: 'introspection_endpoint',
  userinfo: 'userinfo_endpoint',
}

export const discovery: Endpoint = (provider) => {
  const { settings } = provider
  return json(200, {
    issuer: settings.issuerPublished ?? issuerOf(provider),
    ...endpointMembers(provider),
    scopes_supported: publishedScopes(provider),
    response_types_supported: ['code'],
    grant_types_supported: settings.grantTypes,
    code_challenge_methods_supported: settings.pkceMethods,
    token_endpoint_auth_methods_supported: settings.clientAuthMethods,
    token_endpoint_auth_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    authorization_response_iss_parameter_supported:
      settings.issInAuthorizationResponse !== 'absent',
    ...settings.metadata,
  })
}

function endpointMembers(provider: Provider): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members)
      .filter(([name]) => provider.settings.paths[name as EndpointName] !== undefined)
      .map(([name, member]) => [member, urlOf(provider, name as EndpointName)]),
  )
}

/** RFC 7517 §5; wlcg.md §6, "Lifetimes": may be cached for six hours. */
export const jwks: Endpoint = ({ key }) =>
  json(200, { keys: [key.jwk] }, { 'cache-control': 'public, max-age=21600' })
