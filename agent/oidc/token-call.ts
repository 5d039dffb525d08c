import type { Secret } from '../../protocol/secret.ts'
import { callAs, type Prepared, type Upstream } from './openid-call.ts'
import type { Client, TokenResponse } from './provider.ts'
import { type CheckedTokens, readTokenContent, tokenResponseOf } from './token-response.ts'
import type { Exchange } from './upstream-error.ts'

/** One request to the token endpoint. */
interface TokenCall {
  readonly purpose: Exchange['purpose']
  /** What is sent and must not come back in a message, besides the client's own secret. */
  readonly secrets: readonly Secret[]
  readonly use: (prepared: Prepared) => Promise<CheckedTokens>
}

/**
 * Asks the token endpoint, whatever for: every grant is answered alike (RFC 6749 §5.1).
 * @throws AgentError only.
 */
export async function requestToken(
  client: Client,
  upstream: Upstream,
  { purpose, secrets, use }: TokenCall,
  signal: AbortSignal,
): Promise<TokenResponse> {
  const sentAt = upstream.now()
  const { result, content, response } = await callAs(
    client,
    upstream,
    {
      exchange: { purpose, secrets: [...secrets, ...secretsOf(client)] },
      read: readTokenContent,
      use,
    },
    signal,
  )
  return tokenResponseOf(result, content, response, { sentAt, receivedAt: upstream.now() })
}

/** What a client sends of its own that must not come back in a message. */
export function secretsOf({ secret }: Client): readonly Secret[] {
  return secret === undefined ? [] : [secret]
}
