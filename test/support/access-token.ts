import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { Agent, fetch } from 'undici'
import type { WlcgProvider } from './wlcg-provider.ts'

/**
 * The payload of a token, checked as a service on the grid would: signature by the provider's
 * published keys, issuer, lifetime, and whether it is for `audience`.
 * @throws what jose throws.
 */
export async function verifiedPayload(
  provider: WlcgProvider,
  token: string,
  audience: string,
): Promise<JWTPayload> {
  const agent = new Agent({ connect: { ca: provider.caPem } })
  try {
    const response = await fetch(new URL('/jwks', provider.issuer), { dispatcher: agent })
    const keys = createLocalJWKSet(
      (await response.json()) as Parameters<typeof createLocalJWKSet>[0],
    )
    const { payload } = await jwtVerify(token, keys, { issuer: provider.issuer, audience })
    return payload
  } finally {
    await agent.close()
  }
}

/** The payload of a token as it stands, unchecked. */
export function payloadOf(token: string): JWTPayload {
  const [, payload = ''] = token.split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload
}
