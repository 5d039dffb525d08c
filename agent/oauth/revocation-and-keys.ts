import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { trustFor } from '../http/url-policy.ts'
import { successOf } from '../providers/error-response.ts'
import type { Client } from './provider.ts'
import { callAs, secretsOf, type Upstream } from './token-endpoint.ts'

/** Refusals that may mean: the client was not recognised by its Basic header. */
const unrecognised: readonly ErrorCode[] = ['invalid-client', 'invalid-request']

/**
 * Revokes a refresh token (RFC 7009 §2.1); a second time with the client's name in the form, which
 * some providers want besides the Basic header.
 */
export async function revokeToken(
  client: Client,
  refreshToken: Secret,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<void> {
  const document = await upstream.discovery.find(client.provider, signal)
  if (document.revocation_endpoint === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Token revocation is not supported by this issuer.',
    )
  }
  const secrets = [refreshToken, ...secretsOf(client)]
  const revokeWith = (fields: Readonly<Record<string, string>>): Promise<unknown> =>
    callAs(
      client,
      upstream,
      {
        exchange: { purpose: 'revocation', secrets },
        use: ({ library, configuration }) =>
          library.tokenRevocation(configuration, refreshToken.reveal(), {
            token_type_hint: 'refresh_token',
            ...fields,
          }),
      },
      signal,
    )
  try {
    await revokeWith({})
  } catch (error) {
    if (!(error instanceof AgentError) || !unrecognised.includes(error.code)) throw error
    await revokeWith({ client_id: client.id })
  }
}

/**
 * The public keys a provider signs with (OpenID Connect Discovery §3, `jwks_uri`), fetched each time:
 * whoever asks wants to know what a service that looks now would find.
 * @throws AgentError also `provider-answer`, where it publishes none.
 */
export async function jwks(
  address: ProviderConfig,
  { discovery, http }: Upstream,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { issuer, jwks_uri: url } = await discovery.find(address, signal)
  if (url === undefined) {
    throw new AgentError('provider-answer', `${issuer} says nowhere where its keys are (jwks_uri)`)
  }
  const response = await http.send(
    { url, method: 'GET', headers: { accept: 'application/jwk-set+json, application/json' } },
    trustFor(address),
    signal,
  )
  const content = successOf(response, { purpose: 'discovery', secrets: [] })
  if (!Array.isArray(content['keys'])) {
    throw new AgentError('provider-answer', `${response.url.host} sent a key set without keys`)
  }
  return content
}
