import type { FileKey } from '../../protocol/storage/account-file.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'

/** The key of an account file as JSON, in the clear: only to be sealed. */
export function keyJson({ salt, bytes }: FileKey): JsonObject {
  return {
    salt: Buffer.from(salt).toString('base64'),
    bytes: Buffer.from(bytes).toString('base64'),
  }
}

/** The key of {@link keyJson}; undefined if `value` is not one. */
export function fileKeyOf(value: JsonValue | undefined): Secret<FileKey> | undefined {
  if (!isJsonObject(value)) return undefined
  const { salt, bytes } = value
  if (typeof salt !== 'string' || typeof bytes !== 'string') return undefined
  return new Secret({ salt: Buffer.from(salt, 'base64'), bytes: Buffer.from(bytes, 'base64') })
}

/** An object of plain values as JSON. */
export function plainJson(entry: object): JsonObject {
  return JSON.parse(JSON.stringify(entry)) as JsonObject
}
