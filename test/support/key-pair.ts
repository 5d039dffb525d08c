import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A fresh key pair on P-256. */
export interface TestKeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/**
 * Makes a key pair whose keys may be exported. In Node 20 those that `generateKeyPairSync` hands out as
 * objects may not be: the export blocks for ever when garbage collection meets the job that made
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
