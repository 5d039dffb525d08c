import { AgentError } from '../../protocol/errors.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import type { ChosenIssuer } from './choose-issuer.ts'

/** Redirect URIs that every public client is registered with (protocol.md §3.5). */
const REDIRECT_URIS = ['http://localhost:8080', 'http://localhost:4242', 'http://localhost:43985']

/**
 * The members of an account for the public client that the issuer files have for its issuer.
 * @throws AgentError `unsupported-by-provider` where there is none.
 */
export function publicClient({ url, known }: ChosenIssuer): JsonObject {
  const client = known?.publicClient
  if (client === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Could not find a public client for this issuer.',
      { hint: `There is none for ${url} in issuer.config. Leave out --pub to register a client.` },
    )
  }
  return {
    client_id: client.clientId,
    client_secret: client.clientSecret ?? '',
    uses_pub_client: 1,
    redirect_uris: REDIRECT_URIS,
  }
}
