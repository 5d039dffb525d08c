import { AgentError, type ErrorCode } from '../../protocol/errors.ts'
import type { Secret } from '../../protocol/secret.ts'
import { callAs, type Upstream } from './openid-call.ts'
import type { Client } from './provider.ts'
import { secretsOf } from './token-call.ts'

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
