import { accountOf } from '../../protocol/account.ts'
import type { FileKey } from '../../protocol/file-key.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/messages.ts'
import { passwordEntryOf } from '../../protocol/parse-request.ts'
import type { Rotation } from './loaded-account.ts'
import { LoadedAccount } from './loaded-account.ts'
import type { Keyring } from './loaded-accounts.ts'

/**
 * The loaded accounts as one JSON object, to be sealed while the agent is locked. Access tokens are
 * not in it: they can be had again. `now` in milliseconds since 1970.
 */
export function serializeAccounts(accounts: Keyring, now: number): JsonObject {
  return { accounts: accounts.all().map((loaded) => serialized(loaded, accounts, now)) }
}

/** Loads what {@link serializeAccounts} froze, but for accounts whose lifetime ended meanwhile. */
export function restoreAccounts(serialized: JsonObject, accounts: Keyring, now: number): void {
  const list = serialized['accounts']
  if (!Array.isArray(list)) return
  for (const item of list) {
    if (isJsonObject(item)) restore(item, accounts, now)
  }
}

function serialized(loaded: LoadedAccount, accounts: Keyring, now: number): JsonObject {
  const { fileKey, passwordEntry } = loaded
  const lifetime = accounts.lifetimeLeft(loaded.name) ?? 0
  return {
    fields: loaded.account.fields,
    // A time, not a span: an account's lifetime goes on while the agent is locked.
    dies_at: lifetime === 0 ? 0 : now + lifetime * 1000,
    file_key:
      fileKey === undefined ? null : { salt: base64(fileKey.salt), bytes: base64(fileKey.bytes) },
    password_entry: passwordEntry === undefined ? null : plainJson(passwordEntry),
    confirm: loaded.confirm,
    always_allow_id_token: loaded.alwaysAllowIdToken,
    rotation: loaded.rotation,
    unsaved: loaded.saved.state === 'unsaved' ? loaded.saved.reason : null,
  }
}

function restore(item: JsonObject, accounts: Keyring, now: number): void {
  const { fields, dies_at: diesAt, unsaved } = item
  if (!isJsonObject(fields)) return
  const lifetime = typeof diesAt === 'number' && diesAt > 0 ? (diesAt - now) / 1000 : undefined
  if (lifetime !== undefined && lifetime <= 0) return
  const loaded = new LoadedAccount(accountOf(fields), {
    fileKey: fileKeyOf(item['file_key']),
    passwordEntry: passwordEntryOf(item['password_entry']),
    confirm: item['confirm'] === true,
    alwaysAllowIdToken: item['always_allow_id_token'] === true,
  })
  loaded.rotation = rotationOf(item['rotation'])
  if (typeof unsaved === 'string') loaded.saved = { state: 'unsaved', reason: unsaved }
  accounts.add(loaded, lifetime ?? 0)
}

function fileKeyOf(value: JsonValue | undefined): FileKey | undefined {
  if (!isJsonObject(value)) return undefined
  const { salt, bytes } = value
  if (typeof salt !== 'string' || typeof bytes !== 'string') return undefined
  return { salt: Buffer.from(salt, 'base64'), bytes: Buffer.from(bytes, 'base64') }
}

function rotationOf(value: JsonValue | undefined): Rotation {
  return value === 'rotates' || value === 'keeps' ? value : 'unknown'
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function plainJson(entry: object): JsonObject {
  return JSON.parse(JSON.stringify(entry)) as JsonObject
}
