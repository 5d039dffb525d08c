import { randomBytes } from 'node:crypto'
import { KEY_BYTES, SALT_BYTES } from './file-lines.ts'
import { loadSodium } from './sodium.ts'

/** What a password becomes: with it a file can be opened and re-sealed, but the password not found. */
export interface FileKey {
  /** 16 bytes. */
  readonly salt: Uint8Array
  /** 64 bytes: 32 of key, 32 of check value. */
  readonly bytes: Uint8Array
}

/** Argon2id, 2 passes, 64 MiB, 64 bytes (protocol.md §3.3). */
export type DeriveKey = (password: string, salt: Uint8Array) => Promise<Uint8Array>

const MEMORY = 64 << 20

/** Derives in this thread, which stands still for 0.1–0.3 s. */
export const deriveKey: DeriveKey = async (password, salt) => {
  const sodium = await loadSodium()
  const parameters = {
    length: 2 * KEY_BYTES,
    passes: 2,
    memory: MEMORY,
    variant: 'argon2id',
  } as const
  return sodium.argon2(Buffer.from(password), salt, parameters)
}

/** A key for a new file: a fresh salt, and what the password gives with it. */
export async function newFileKey(
  password: string,
  derive: DeriveKey = deriveKey,
): Promise<FileKey> {
  const salt = randomBytes(SALT_BYTES)
  return { salt, bytes: await derive(password, salt) }
}
