import { sameIssuer } from '../../protocol/account.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import type { ProviderConfig } from './provider.ts'
import { providerText } from './provider-text.ts'

/** A discovery document (OpenID Connect Discovery §3), checked as far as we read it. */
export interface DiscoveryDocument {
  readonly issuer: string
  readonly token_endpoint: string
  readonly authorization_endpoint?: string
  readonly device_authorization_endpoint?: string
  readonly registration_endpoint?: string
  readonly revocation_endpoint?: string
  readonly jwks_uri?: string
  readonly scopes_supported?: readonly string[]
  readonly token_endpoint_auth_methods_supported?: readonly string[]
  readonly token_endpoint_auth_signing_alg_values_supported?: readonly string[]
  readonly authorization_response_iss_parameter_supported?: boolean
}

/**
 * The document in `content`, which came from `host`.
 * @throws AgentError `wrong-issuer` where it is another provider's than asked for, `provider-answer`
 *   where issuer or token endpoint are missing
 */
export function checkedDocument(
  content: JsonObject,
  address: ProviderConfig,
  host: string,
): DiscoveryDocument {
  const issuer = content['issuer']
  if (typeof issuer !== 'string') {
    throw new AgentError('provider-answer', `${host} sent a discovery document without an issuer`)
  }
  // With nothing but a configuration endpoint given, there is no issuer to compare with.
  if (address.issuer !== '' && !sameIssuer(issuer, address.issuer)) {
    throw new AgentError(
      'wrong-issuer',
      `Provider uses another issuer url than expected. Expected ${address.issuer}, got ${providerText(issuer, [])}`,
      { hint: `Use the issuer as the provider writes it: ${providerText(issuer, [])}` },
    )
  }
  const endpoint = (name: string): Record<string, string> => {
    const value = content[name]
    return typeof value === 'string' && value !== '' ? { [name]: value } : {}
  }
  const list = (name: string): Record<string, readonly string[]> => {
    const value = content[name]
    return Array.isArray(value) ? { [name]: value.filter((item) => typeof item === 'string') } : {}
  }
  const { token_endpoint } = endpoint('token_endpoint')
  if (token_endpoint === undefined) {
    throw new AgentError(
      'provider-answer',
      'Could not get token endpoint from the configuration endpoint. This could be because of a network issue or because the issuer is not correct.',
    )
  }
  return {
    issuer,
    token_endpoint,
    ...endpoint('authorization_endpoint'),
    ...endpoint('device_authorization_endpoint'),
    ...endpoint('registration_endpoint'),
    ...endpoint('revocation_endpoint'),
    ...endpoint('jwks_uri'),
    ...list('scopes_supported'),
    ...list('token_endpoint_auth_methods_supported'),
    ...list('token_endpoint_auth_signing_alg_values_supported'),
    authorization_response_iss_parameter_supported:
      content['authorization_response_iss_parameter_supported'] === true,
  }
}
