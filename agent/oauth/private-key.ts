import { createPrivateKey, type JsonWebKey, type KeyObject, type webcrypto } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { importPKCS8 } from 'jose'
import { AgentError } from '../../protocol/wire/errors.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'

/** What a client signs with to show who it is (RFC 7523 §2.2). */
export interface SigningKey {
  readonly key: webcrypto.CryptoKey
  /** JWS algorithm (RFC 7518 §3.1). */
  readonly algorithm: string
  /** Which of the client's keys it is; PEM files do not say it. */
  readonly kid: string | undefined
}

const ofCurve: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

const ofRsa: readonly string[] = ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512']

/**
 * Reads a private key, PEM (PKCS #8, PKCS #1, SEC 1) or JWK. Read anew each time: keys are exchanged,
 * and nothing of them stays in memory.
 * @param supported algorithms the provider takes; empty: it does not say
 * @throws AgentError `file-unreadable` or `file-malformed`, naming the file and nothing of its content
 */
export async function readSigningKey(
  path: string,
  supported: readonly string[],
): Promise<SigningKey> {
  const text = await textOf(path)
  const { key, kid } = keyIn(text, path)
  const algorithm = algorithmFor(key, supported)
  if (algorithm === undefined) {
    throw malformed(path, `a ${key.asymmetricKeyType ?? 'secret'} key cannot sign for a client`)
  }
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { key: await importPKCS8(pem, algorithm), algorithm, kid }
}

function keyIn(text: string, path: string): { key: KeyObject; kid: string | undefined } {
  // What Node says of a key it cannot read may quote it.
  try {
    if (!text.trimStart().startsWith('{')) return { key: createPrivateKey(text), kid: undefined }
    const jwk: unknown = JSON.parse(text)
    if (!isJsonObject(jwk)) throw new TypeError('no object')
    const kid = jwk['kid']
    return {
      key: createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }),
      kid: typeof kid === 'string' ? kid : undefined,
    }
  } catch {
    throw malformed(path, 'it is no private key in PEM or JWK format, or it has a passphrase')
  }
}

function algorithmFor(key: KeyObject, supported: readonly string[]): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa') return ofRsa.find((one) => supported.includes(one)) ?? ofRsa[0]
  if (type === 'ec') return ofCurve[details?.namedCurve ?? '']
  if (type !== 'ed25519') return undefined
  return supported.includes('Ed25519') && !supported.includes('EdDSA') ? 'Ed25519' : 'EdDSA'
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    throw new AgentError('file-unreadable', `private key ${path} cannot be read: ${why}`)
  }
}

function malformed(path: string, why: string): AgentError {
  return new AgentError('file-malformed', `private key ${path} cannot be used: ${why}`)
}
