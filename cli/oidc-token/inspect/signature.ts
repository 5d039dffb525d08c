import { compactVerify, createLocalJWKSet, errors, type JSONWebKeySet } from 'jose'
import type { JsonObject } from '../../../protocol/wire/messages.ts'
import { type Check, notOk, ok } from './checks.ts'
import type { TokenClaims } from './claims.ts'

/** Checks the signature of a token with the key set of its issuer (RFC 7517). */
export async function signatureBy(token: TokenClaims, jwks: JsonObject): Promise<Check> {
  const key = token.keyId === undefined ? 'the only key' : `key ${token.keyId}`
  try {
    // Whatever the object is: jose checks that it is a key set.
    const keys = createLocalJWKSet(jwks as unknown as JSONWebKeySet)
    await compactVerify(token.text, keys, { algorithms: ['RS256', 'ES256'] })
    return ok('signature', `by ${key} of the issuer`)
  } catch (error) {
    return notOk('signature', faultOf(error, key))
  }
}

function faultOf(error: unknown, key: string): string {
  if (error instanceof errors.JWKSNoMatchingKey) return `the issuer does not publish ${key}`
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'no kid, and the issuer has more than one key'
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return `it does not match ${key} of the issuer: another issuer made the token, or it was changed`
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'not RS256 or ES256: not checked'
  return `cannot be checked: ${error instanceof Error ? error.message : String(error)}`
}
