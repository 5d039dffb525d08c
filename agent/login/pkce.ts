import { createHash, randomBytes } from 'node:crypto'

/** 128 characters of base64url, the most that RFC 7636 §4.1 allows. */
const VERIFIER_BYTES = 96

/** What proves that who exchanges the code is who asked for it (RFC 7636). */
export interface ProofKey {
  readonly verifier: string
  /** The verifier's SHA-256, base64url (method S256). */
  readonly challenge: string
}

export function newProofKey(): ProofKey {
  const verifier = randomBytes(VERIFIER_BYTES).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}
