import { randomBytes, timingSafeEqual } from 'node:crypto'
import { AgentError, errorCodes, peerError } from '../wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../wire/json.ts'
import type { JsonObject, JsonValue } from '../wire/messages.ts'
import {
  type Argon2Parameters,
  KEY_BYTES,
  loadSodium,
  NONCE_BYTES,
  SALT_BYTES,
  type Sodium,
  TAG_BYTES,
} from '../wire/sodium.ts'
import { decodeBase64, encodeBase64 } from '../wire/text.ts'
import { FORMAT_VERSION } from '../wire/version.ts'

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
function openLegacy(sodium: Sodium, file: LegacyFile, password: string): string {
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

/**
 * The text of an account file (protocol.md §3.3), line by line: nothing here is decrypted.
 */
export type FileLines = CurrentFile | LegacyFile

/** Seven lines, written since 2.1.0. */
export interface CurrentFile {
  readonly format: 'current'
  readonly nonce: Uint8Array
  readonly salt: Uint8Array
  readonly sealed: Uint8Array
  /** 32 bytes that only the right password gives. */
  readonly check: Uint8Array
}

/** One line of hex, read only. */
export interface LegacyFile {
  readonly format: 'legacy'
  readonly nonce: Uint8Array
  readonly salt: Uint8Array
  readonly sealed: Uint8Array
}

/**
 * Line 4: lengths of nonce, salt, tag and key, base64 variant, Argon2's passes, memory and variant.
 * The C peer never writes another, and derives with these whatever the line says.
 */
const PARAMETERS = '24:16:16:32:1:2:67108864:2'
const VERSION_PREFIX = 'Generated using version: '
const versionLine = /(?:^|\n)Generated using version: ([^\n]*)$/
const GPG_BEGIN = '-----BEGIN PGP MESSAGE-----'

/**
 * Takes an account file apart. One final line feed and CRLF line ends are tolerated.
 * @throws AgentError `file-malformed` naming the part, or `file-gpg`
 */
export function parseFileLines(text: string): FileLines {
  if (text.startsWith(GPG_BEGIN)) throw gpg()
  const content = text.replace(/\r?\n$/, '')
  const lines = content.split(/\r?\n/)
  const version = versionLine.exec(content)?.[1]
  if (version !== undefined && isCurrent(version)) return currentFile(lines)
  const body = version === undefined ? lines : lines.slice(0, -1)
  const [only = ''] = body
  if (only === '') throw malformedFile('the file is empty')
  if (body.length > 1) throw malformedFile('the line with the version is missing')
  return legacyFile(only)
}

/** The text of a file in the current format: seven lines, no final line feed. */
function formatFileLines(file: CurrentFile): string {
  return [
    file.sealed.length,
    encodeBase64(file.nonce),
    encodeBase64(file.salt),
    PARAMETERS,
    encodeBase64(file.sealed),
    encodeBase64(file.check),
    VERSION_PREFIX + FORMAT_VERSION,
  ].join('\n')
}

/** The error of a file that is not what it should be; `part` says where. */
function malformedFile(part: string): AgentError {
  return new AgentError('file-malformed', `${errorCodes['file-malformed'].peerText}: ${part}`, {
    hint: 'The account file is damaged. Restore it from a backup, or make the account again with oidc-gen.',
  })
}

function gpg(): AgentError {
  return new AgentError(
    'file-gpg',
    'the account file is encrypted with GPG, which is not supported',
    {
      hint: 'Make the account again with oidc-gen and give it a password.',
    },
  )
}

/** Whether files of that version have the current format: 2.1.0 or later. */
function isCurrent(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)\.\d+/.exec(version) ?? []
  if (major === undefined || minor === undefined) throw malformedFile('the version is unreadable')
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 1)
}

function currentFile(lines: readonly string[]): CurrentFile {
  const [length = '', nonce = '', salt = '', parameters, sealed = '', check = ''] = lines
  if (lines.length !== 7) throw malformedFile(`it has ${lines.length} lines instead of 7`)
  if (parameters !== PARAMETERS) throw malformedFile('the parameters in line 4 are unknown')
  const file = {
    nonce: decodeBase64(nonce),
    salt: decodeBase64(salt),
    sealed: decodeBase64(sealed),
    check: decodeBase64(check),
  }
  return {
    format: 'current',
    ...checkedParts(file, length),
    check: sized(file.check, KEY_BYTES, 'check value'),
  }
}

function legacyFile(line: string): LegacyFile {
  const [length = '', salt = '', nonce = '', sealed = '', ...more] = line.split(':')
  if (more.length > 0) throw malformedFile('it has the old format, with too many parts')
  const file = { nonce: decodeHex(nonce), salt: decodeHex(salt), sealed: decodeHex(sealed) }
  return { format: 'legacy', ...checkedParts(file, length) }
}

interface Undecided {
  readonly nonce: Uint8Array | undefined
  readonly salt: Uint8Array | undefined
  readonly sealed: Uint8Array | undefined
}

function checkedParts(
  file: Undecided,
  length: string,
): { readonly nonce: Uint8Array; readonly salt: Uint8Array; readonly sealed: Uint8Array } {
  if (file.sealed === undefined || file.sealed.length < TAG_BYTES) {
    throw malformedFile('the ciphertext is unreadable')
  }
  if (length !== String(file.sealed.length)) {
    throw malformedFile('the ciphertext is not as long as line 1 says')
  }
  return {
    nonce: sized(file.nonce, NONCE_BYTES, 'nonce'),
    salt: sized(file.salt, SALT_BYTES, 'salt'),
    sealed: file.sealed,
  }
}

function sized(bytes: Uint8Array | undefined, length: number, name: string): Uint8Array {
  if (bytes?.length !== length) throw malformedFile(`the ${name} is not ${length} bytes`)
  return bytes
}

/** Lower-case hex, as the C peer wrote it. */
function decodeHex(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'hex')
  return bytes.toString('hex') === text ? bytes : undefined
}
