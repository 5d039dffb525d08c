/**
 * The one door to libsodium. It is opened only by those who seal something: loading it costs 45 ms,
 * which `oidc-token` does not pay.
 */
export interface Sodium {
  /** XSalsa20-Poly1305 (`crypto_secretbox_easy`): the 16-byte tag, then the ciphertext. */
  secretbox(plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array
  /** The plaintext, or undefined where the tag does not fit. */
  secretboxOpen(sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | undefined
  /** HSalsa20 with 16 zero bytes as input: what makes a NaCl box key of an X25519 secret. */
  hsalsa20(key: Uint8Array): Uint8Array
  /** Argon2 (RFC 9106). Blocks the thread for 0.1–0.3 s at 64 MiB. */
  argon2(password: Uint8Array, salt: Uint8Array, parameters: Argon2Parameters): Uint8Array
}

export interface Argon2Parameters {
  /** Bytes to derive. */
  readonly length: number
  readonly passes: number
  /** Bytes. */
  readonly memory: number
  readonly variant: 'argon2i' | 'argon2id'
}

/** Bytes of the tag in front of a secretbox's ciphertext. */
export const TAG_BYTES = 16
/** Bytes of a secretbox nonce. */
export const NONCE_BYTES = 24

let loading: Promise<Sodium> | undefined

/** libsodium, ready to use; loaded once. */
export async function loadSodium(): Promise<Sodium> {
  loading ??= load()
  return loading
}

async function load(): Promise<Sodium> {
  const imported = await import('libsodium-wrappers-sumo')
  const sodium = imported.default
  await sodium.ready
  const zeros = new Uint8Array(sodium.crypto_core_hsalsa20_INPUTBYTES)
  const algorithms = {
    argon2i: sodium.crypto_pwhash_ALG_ARGON2I13,
    argon2id: sodium.crypto_pwhash_ALG_ARGON2ID13,
  }
  return {
    secretbox: (plaintext, nonce, key) => sodium.crypto_secretbox_easy(plaintext, nonce, key),
    secretboxOpen: (sealed, nonce, key) => {
      try {
        return sodium.crypto_secretbox_open_easy(sealed, nonce, key)
      } catch {
        // It throws for a wrong tag and for less than a tag: both mean "not sealed with this key".
        return undefined
      }
    },
    hsalsa20: (key) => sodium.crypto_core_hsalsa20(zeros, key, null),
    argon2: (password, salt, { length, passes, memory, variant }) =>
      sodium.crypto_pwhash(length, password, salt, passes, memory, algorithms[variant]),
  }
}

/** Bytes of the salt. */
export const SALT_BYTES = 16
/** Bytes of the secretbox key, and of the check value. */
export const KEY_BYTES = 32
