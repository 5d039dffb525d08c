import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { Agent, fetch } from 'undici'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { WlcgProvider } from './wlcg-provider.ts'

/**
 * The claims of a token, checked as a grid service checks them: signature by the provider's
 * published keys, issuer, lifetime, audience.
 * @throws the error of jose if a check fails.
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

/** The claims of a token, unchecked. */
export function payloadOf(token: string): JWTPayload {
  const [, payload = ''] = token.split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload
}

/** An access token with these claims, and a signature that nobody checks. */
export function unsignedToken(claims: JsonObject): string {
  const part = (value: JsonObject): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`
}
