import type { Account } from '../../protocol/storage/account.ts'
import type { FileKey } from '../../protocol/storage/account-file.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import {
  type JsonObject,
  type JsonValue,
  type PasswordEntry,
  passwordEntryOf,
} from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'

/**
 * What is known of how the provider treats refresh tokens. Until the first response an account is
 * treated as if they rotated: two parallel refreshes with one rotating token lose the login.
 */
export type Rotation = 'unknown' | 'rotates' | 'keeps'

/** Whether the account file has the refresh token that the agent holds. */
export type Saved =
  | { readonly state: 'saved' }
  /** A new login that oidc-gen has yet to save, or an account that came without a file. */
  | { readonly state: 'no-file' }
  /** The provider replaced the token of the file a moment ago: the new one is to be saved now. */
  | { readonly state: 'rotated' }
  | { readonly state: 'unsaved'; readonly reason: string }

/** All that a loaded account knows and that must survive a lock; each member is also in the record. */
export interface LoadedState {
  readonly account: Account
  readonly rotation: Rotation
  readonly saved: Saved
  /** SHA-256 of the refresh tokens that rotation replaced, the last one at the end. */
  readonly replaced: readonly string[]
  /** The issuer as its discovery document publishes it, once known. */
  readonly publishedIssuer: string | undefined
  /** Whether the provider refused the refresh token for good. */
  readonly loginExpired: boolean
  readonly fileKey: Secret<FileKey> | undefined
  readonly passwordEntry: Secret<PasswordEntry> | undefined
  readonly confirm: boolean
  readonly alwaysAllowIdToken: boolean
}

/** A loaded account as JSON. It holds every secret of the account in the clear: only to be sealed. */
export type LoadedAccountRecord = { readonly [Member in keyof LoadedState]: JsonValue }

/** The record of a state. */
export function recordOf(state: LoadedState): LoadedAccountRecord {
  const { account, fileKey, passwordEntry, ...plain } = state
  return {
    ...plain,
    account: account.fields.reveal(),
    publishedIssuer: plain.publishedIssuer ?? null,
    fileKey: fileKey === undefined ? null : keyJson(fileKey.reveal()),
    passwordEntry: passwordEntry === undefined ? null : plainJson(passwordEntry.reveal()),
  }
}

/** The state in a record of {@link recordOf}; `account` is its account. */
export function stateOf(record: JsonObject, account: Account): LoadedState {
  const { publishedIssuer, replaced } = record
  const passwordEntry = passwordEntryOf(record['passwordEntry'])
  return {
    account,
    rotation: rotationOf(record['rotation']),
    saved: savedOf(record['saved']),
    replaced: Array.isArray(replaced) ? replaced.filter((one) => typeof one === 'string') : [],
    publishedIssuer: typeof publishedIssuer === 'string' ? publishedIssuer : undefined,
    loginExpired: record['loginExpired'] === true,
    fileKey: fileKeyOf(record['fileKey']),
    passwordEntry: passwordEntry && new Secret(passwordEntry),
    confirm: record['confirm'] === true,
    alwaysAllowIdToken: record['alwaysAllowIdToken'] === true,
  }
}

function rotationOf(value: JsonValue | undefined): Rotation {
  return value === 'rotates' || value === 'keeps' ? value : 'unknown'
}

function savedOf(value: JsonValue | undefined): Saved {
  if (!isJsonObject(value)) return { state: 'saved' }
  const { state, reason } = value
  if (state === 'unsaved') return { state, reason: typeof reason === 'string' ? reason : '' }
  return state === 'no-file' || state === 'rotated' ? { state } : { state: 'saved' }
}

/** The key of an account file as JSON, in the clear: only to be sealed. */
function keyJson({ salt, bytes }: FileKey): JsonObject {
  return {
    salt: Buffer.from(salt).toString('base64'),
    bytes: Buffer.from(bytes).toString('base64'),
  }
}

/** The key of {@link keyJson}; undefined if `value` is not one. */
function fileKeyOf(value: JsonValue | undefined): Secret<FileKey> | undefined {
  if (!isJsonObject(value)) return undefined
  const { salt, bytes } = value
  if (typeof salt !== 'string' || typeof bytes !== 'string') return undefined
  return new Secret({ salt: Buffer.from(salt, 'base64'), bytes: Buffer.from(bytes, 'base64') })
}

/** An object of plain values as JSON. */
function plainJson(entry: object): JsonObject {
  return JSON.parse(JSON.stringify(entry)) as JsonObject
}
