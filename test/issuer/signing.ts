import { exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose'
import type { Fields } from './response.ts'

/** What signs a provider's tokens. */
export interface SigningKey {
  /** As the jwks endpoint shows it. */
  readonly jwk: JWK
  readonly sign: (claims: Fields, header?: Fields) => Promise<string>
}

let made: Promise<SigningKey> | undefined

/**
 * An RSA key: RS256 is what the providers in question sign with unless told otherwise. It takes a
 * tenth of a second to make, so all providers of a process share one.
 */
export function signingKey(): Promise<SigningKey> {
  made ??= newSigningKey('RS256', 'test-1')
  return made
}

/** A key of its own, e.g. for a client that authenticates by assertion. */
export async function newSigningKey(algorithm: string, keyId: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return {
    jwk: { ...(await exportJWK(publicKey)), kid: keyId, use: 'sig', alg: algorithm },
    sign: (claims, header = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: algorithm, kid: keyId, ...header })
        .sign(privateKey),
  }
}

/** A JWT with `alg` none and no signature. */
export function unsigned(claims: Fields): string {
  return new UnsecuredJWT(claims).encode()
}
