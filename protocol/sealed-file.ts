import { timingSafeEqual } from 'node:crypto'
import { peerError } from './errors.ts'
import type { FileKey } from './file-key.ts'
import {
  type CurrentFile,
  formatFileLines,
  KEY_BYTES,
  type LegacyFile,
  malformedFile,
} from './file-lines.ts'
import type { Argon2Parameters, Sodium } from './sodium.ts'

/**
 * The plaintext of a file in the current format.
 * @throws AgentError `wrong-password` where salt or check value are another key's, `file-malformed`
 */
export function openCurrent(sodium: Sodium, file: CurrentFile, key: FileKey): string {
  const check = key.bytes.subarray(KEY_BYTES)
  if (!sameBytes(file.salt, key.salt) || !sameBytes(file.check, check)) {
    throw peerError('wrong-password')
  }
  const plaintext = sodium.secretboxOpen(file.sealed, file.nonce, key.bytes.subarray(0, KEY_BYTES))
  if (plaintext === undefined) throw malformedFile('the ciphertext was altered')
  return Buffer.from(plaintext).toString()
}

/** The text of a file in the current format. `nonce` must never serve a key twice. */
export function sealCurrent(
  sodium: Sodium,
  plaintext: string,
  key: FileKey,
  nonce: Uint8Array,
): string {
  const sealed = sodium.secretbox(Buffer.from(plaintext), nonce, key.bytes.subarray(0, KEY_BYTES))
  const check = key.bytes.subarray(KEY_BYTES)
  return formatFileLines({ format: 'current', nonce, salt: key.salt, sealed, check })
}

/** The two ways in which files before 2.1.0 were made; the C peer tries them in this order. */
const legacyParameters: readonly Argon2Parameters[] = [
  { length: KEY_BYTES, passes: 4, memory: 32 << 20, variant: 'argon2i' },
  { length: KEY_BYTES, passes: 2, memory: 64 << 20, variant: 'argon2id' },
]

/**
 * The plaintext of a legacy file. Derives in this thread, which stands still for up to 0.5 s: such
 * a file is read once, and then written in the current format.
 * @throws AgentError `wrong-password`, also for an altered file: there is no check value
 */
export function openLegacy(sodium: Sodium, file: LegacyFile, password: string): string {
  for (const parameters of legacyParameters) {
    const key = sodium.argon2(Buffer.from(password), file.salt, parameters)
    const plaintext = sodium.secretboxOpen(file.sealed, file.nonce, key)
    if (plaintext !== undefined) return Buffer.from(plaintext).toString()
  }
  throw peerError('wrong-password')
}

/** In a time that depends on the lengths alone. */
function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
