import {
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { peerError } from './errors.ts'
import { PUBLIC_KEY_BYTES, READ_STEP_BYTES } from './framing.ts'
import { NONCE_BYTES, type Sodium } from './sodium.ts'
import { decodeBase64, encodeBase64 } from './text.ts'

/** One side of an encrypted connection (protocol.md §1.4): the key serves both directions. */
export interface SealedChannel {
  /** Our public key as the peer gets it: 44 characters of base64. */
  readonly publicKeyText: string
  /** Works out the key, which `open` and `seal` do by themselves: the time may be free now. */
  deriveSharedKey(): void
  /**
   * The plaintext of `LENGTH:NONCE:CIPHERTEXT`. The length is ignored: Python clients count characters.
   * @throws AgentError `message-malformed` or `decryption-failed`
   */
  open(text: string): string
  seal(text: string): string
}

/** An X25519 key pair (RFC 7748), for one connection. */
export interface KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly privateKey: KeyObject
}

/** A fresh key pair; made ahead of time it halves what a connection costs. */
export function newKeyPair(): KeyPair {
  // The public key comes encoded, not as a KeyObject: in Node 20 exporting the KeyObject of a pair
  // deadlocks the process when garbage collection meets the job that made the pair.
  const encoding = { publicKeyEncoding: { format: 'jwk' } }
  const { publicKey, privateKey } = generateKeyPairSync('x25519', encoding)
  // RFC 8037 §2. Node's types do not know this mixed form.
  const { x } = publicKey as unknown as { readonly x: string }
  return { publicKey: Buffer.from(x, 'base64url'), privateKey }
}

/**
 * Agrees on a key with the peer, when it is first needed. X25519 is Node's own: measured at 60 µs
 * against the 130 µs of libsodium in WASM.
 * @throws AgentError `suspicious-public-key` for a key that leaves the secret all zeros
 */
export function openSealedChannel(
  sodium: Sodium,
  peerPublicKey: Uint8Array,
  keyPair: KeyPair = newKeyPair(),
): SealedChannel {
  refuseSmallOrder(peerPublicKey)
  let agreed: Uint8Array | undefined
  const key = (): Uint8Array => {
    agreed ??= sodium.hsalsa20(sharedSecret(keyPair.privateKey, peerPublicKey))
    return agreed
  }
  return {
    publicKeyText: encodeBase64(keyPair.publicKey),
    deriveSharedKey: () => void key(),
    open: (text) => openText(sodium, key(), text),
    seal: (text) => sealText(sodium, key(), text, randomBytes(NONCE_BYTES)),
  }
}

/**
 * The public keys, in hex, that leave every secret all zeros (RFC 7748 §6.1): coordinates of points
 * of small order below 2^255, those not reduced modulo 2^255 - 19 among them.
 */
const smallOrder: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/** Judged without the key exchange: its peer hears of it before anything else is sent. */
function refuseSmallOrder(publicKey: Uint8Array): void {
  const coordinate = Buffer.from(publicKey)
  const top = coordinate[PUBLIC_KEY_BYTES - 1]
  if (top === undefined) throw peerError('suspicious-public-key')
  // X25519 ignores the topmost bit (RFC 7748 §5).
  coordinate[PUBLIC_KEY_BYTES - 1] = top & 0x7f
  if (smallOrder.has(coordinate.toString('hex'))) throw peerError('suspicious-public-key')
}

function sharedSecret(privateKey: KeyObject, peerPublicKey: Uint8Array): Uint8Array {
  const x = Buffer.from(peerPublicKey).toString('base64url')
  try {
    const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x } })
    return diffieHellman({ privateKey, publicKey })
  } catch (cause) {
    throw peerError('suspicious-public-key', { cause })
  }
}

function openText(sodium: Sodium, key: Uint8Array, text: string): string {
  const parts = text.split(':')
  const nonce = decodeBase64(parts[1] ?? '')
  const sealed = decodeBase64(parts[2] ?? '')
  if (parts.length !== 3 || nonce?.length !== NONCE_BYTES || sealed === undefined) {
    throw peerError('message-malformed')
  }
  const plaintext = sodium.secretboxOpen(sealed, nonce, key)
  if (plaintext === undefined) throw peerError('decryption-failed')
  return Buffer.from(plaintext).toString()
}

/** `LENGTH:NONCE:CIPHERTEXT` of `text` under a given nonce, which must never serve a key twice. */
export function sealText(sodium: Sodium, key: Uint8Array, text: string, nonce: Uint8Array): string {
  const plaintext = Buffer.from(text)
  const sealed = encodeBase64(sodium.secretbox(plaintext, nonce, key))
  const message = `${plaintext.length}:${encodeBase64(nonce)}:${sealed}`
  // A space is no part of the JSON inside. It may leave the base64 as long as it was: then another.
  return message.length % READ_STEP_BYTES === 0 ? sealText(sodium, key, `${text} `, nonce) : message
}
