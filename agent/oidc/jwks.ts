import { AgentError } from '../../protocol/errors.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import type { Upstream } from './openid-call.ts'
import type { ProviderConfig } from './provider.ts'
import { successOf } from './upstream-error.ts'
import { trustFor } from './web-address.ts'

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
