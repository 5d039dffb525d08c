import { randomBytes } from 'node:crypto'
import { peerError } from './errors.ts'
import { type DeriveKey, deriveKey, type FileKey, newFileKey } from './file-key.ts'
import { malformedFile, parseFileLines } from './file-lines.ts'
import { isJsonObject, parseTolerantJson } from './json.ts'
import type { JsonObject, JsonValue } from './messages.ts'
import { openCurrent, openLegacy, sealCurrent } from './sealed-file.ts'
import { loadSodium, NONCE_BYTES } from './sodium.ts'

/**
 * Opens an account file with its password. `key` re-seals it; where the file has the legacy format,
 * in the current one.
 * @throws AgentError `wrong-password`, `file-malformed` or `file-gpg`
 */
export async function unlockAccountFile(
  text: string,
  password: string,
  derive: DeriveKey = deriveKey,
): Promise<{ readonly fields: JsonObject; readonly key: FileKey }> {
  const file = parseFileLines(text)
  const sodium = await loadSodium()
  if (file.format === 'legacy') {
    const fields = fieldsOf(openLegacy(sodium, file, password))
    return { fields, key: await newFileKey(password, derive) }
  }
  const key = { salt: file.salt, bytes: await derive(password, file.salt) }
  return { fields: fieldsOf(openCurrent(sodium, file, key)), key }
}

/**
 * Opens an account file with a key held since it was unlocked.
 * @throws AgentError `wrong-password` where the file was sealed with another, `file-malformed`, `file-gpg`
 */
export async function openAccountFile(text: string, key: FileKey): Promise<JsonObject> {
  const file = parseFileLines(text)
  if (file.format === 'legacy') throw peerError('wrong-password')
  return fieldsOf(openCurrent(await loadSodium(), file, key))
}

function fieldsOf(plaintext: string): JsonObject {
  const fields = jsonOf(plaintext)
  if (!isJsonObject(fields)) throw malformedFile('there is no JSON object inside')
  return fields
}

function jsonOf(plaintext: string): JsonValue | undefined {
  try {
    return parseTolerantJson(plaintext)
  } catch {
    return undefined
  }
}

/** The text of an account file, in the current format and under a fresh nonce. */
export async function sealAccountFile(fields: JsonObject, key: FileKey): Promise<string> {
  const plaintext = JSON.stringify(completeFields(fields))
  return sealCurrent(await loadSodium(), plaintext, key, randomBytes(NONCE_BYTES))
}

/**
 * The fields with every name for scopes in them: 4.x reads `scope` alone, 5.x `auth_scope` and
 * `refresh_scope` (protocol.md §3.4).
 */
export function completeFields(fields: JsonObject): JsonObject {
  const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '')
  const refreshScope = text(fields['refresh_scope'])
  const authScope = text(fields['auth_scope']) || text(fields['scope'])
  return {
    ...fields,
    scope: refreshScope || authScope,
    auth_scope: authScope,
    refresh_scope: refreshScope,
  }
}
