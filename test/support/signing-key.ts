import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'

/** The claims or the header of a JWT. */
export type Claims = Readonly<Record<string, unknown>>

/** A provider's signing key. */
export interface SigningKey {
  /** The private key as a JWK, with its `kid`. */
  readonly jwk: Readonly<Record<string, unknown>>
  /** Signs any claims; `header` replaces or adds to `{ alg, kid, typ }`. */
  readonly sign: (claims: Claims, header?: Claims) => string
}

/** Makes a key for ES256, one of the two algorithms that grid services accept (wlcg.md §3). */
export function newSigningKey(): SigningKey {
  const { privateKey } = newTestKeyPair()
  const kid = 'wlcg-1'
  return {
    jwk: { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' },
    sign: (claims, header = {}) => {
      const head = { alg: 'ES256', kid, typ: 'at+jwt', ...header }
      const signed = `${encoded(head)}.${encoded(claims)}`
      // RFC 7518 §3.4: the signature is the concatenation of R and S, not DER.
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
      return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
    },
  }
}

function encoded(part: Claims): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

/** A fresh key pair on P-256. */
export interface TestKeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/**
 * Makes a key pair whose keys can be exported. In Node 20 the export of key objects from
 * `generateKeyPairSync` can block for ever, if garbage collection coincides with the job that made
 * the pair (one in some thousand exports). These are read back from their encoded forms.
 */
export function newTestKeyPair(): TestKeyPair {
  const encoded = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return {
    privateKey: createPrivateKey(encoded.privateKey),
    publicKey: createPublicKey(encoded.publicKey),
  }
}
