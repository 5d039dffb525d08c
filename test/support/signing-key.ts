import { sign } from 'node:crypto'
import { newTestKeyPair } from './key-pair.ts'

/** The claims or the header of a JWT, as they stand in it. */
export type Claims = Readonly<Record<string, unknown>>

/** A provider's signing key. */
export interface SigningKey {
  /** The private key as a JWK, with its `kid`. */
  readonly jwk: Readonly<Record<string, unknown>>
  /** Signs any claims at all; `header` replaces or adds to `{ alg, kid, typ }`. */
  readonly sign: (claims: Claims, header?: Claims) => string
}

/** Makes a key for ES256, one of the two algorithms grid services take (wlcg.md §3). */
export function newSigningKey(): SigningKey {
  const { privateKey } = newTestKeyPair()
  const kid = 'wlcg-1'
  return {
    jwk: { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' },
    sign: (claims, header = {}) => {
      const head = { alg: 'ES256', kid, typ: 'at+jwt', ...header }
      const signed = `${encoded(head)}.${encoded(claims)}`
      // RFC 7518 §3.4: the signature is R and S one after the other, not DER.
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
      return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
    },
  }
}

function encoded(part: Claims): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
