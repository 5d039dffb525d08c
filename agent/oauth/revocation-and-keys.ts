import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { trustFor } from '../http/http-client.ts'
import { successBody } from '../providers/error-response.ts'
import { type ProviderContext, postAsClient } from './client-authentication.ts'
import type { Client } from './provider.ts'

/** Errors of a provider that may have overlooked the client's Basic header. */
const unrecognised: readonly ErrorCode[] = ['invalid-client', 'invalid-request']

/**
 * Revokes a refresh token (RFC 7009 §2.1). After an error that may mean that the client was not recognised,
 * the request is repeated with `client_id` in the form, which some providers require besides Basic.
 */
export async function revokeToken(
  client: Client,
  refreshToken: Secret,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<void> {
  const { document } = await context.discovery.find(client.provider, signal)
  const { revocation_endpoint: url } = document
  if (url === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Token revocation is not supported by this issuer.',
    )
  }
  const revokeWith = async (more: Readonly<Record<string, string>>): Promise<void> => {
    const form = new URLSearchParams({ token_type_hint: 'refresh_token', ...more })
    form.set('token', refreshToken.reveal())
    await postAsClient(
      client,
      { purpose: 'revocation', secrets: [refreshToken], document, url, form, expects: 'status' },
      context,
      signal,
    )
  }
  try {
    await revokeWith({})
  } catch (error) {
    if (!(error instanceof AgentError) || !unrecognised.includes(error.code)) throw error
    await revokeWith({ client_id: client.id })
  }
}

/**
 * The provider's public keys (OpenID Connect Discovery §3, `jwks_uri`). They are fetched at each call, as
 * the caller wants to know which keys a service would find now.
 * @throws AgentError also `provider-answer`, if the provider publishes no keys.
 */
export async function jwks(
  provider: ProviderConfig,
  { discovery, http }: ProviderContext,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { document } = await discovery.find(provider, signal)
  const { issuer, jwks_uri: url } = document
  if (url === undefined) {
    throw new AgentError('provider-answer', `${issuer} does not publish its keys (no jwks_uri)`)
  }
  const response = await http.send(
    { url, method: 'GET', headers: { accept: 'application/jwk-set+json, application/json' } },
    trustFor(provider),
    signal,
  )
  const content = successBody(response, { purpose: 'discovery', secrets: [] })
  if (!Array.isArray(content['keys'])) {
    throw new AgentError('provider-answer', `${response.url.host} sent a key set without keys`)
  }
  return content
}
