import { decodeBase64, encodeBase64 } from './base64.ts'
import { AgentError, peerMessages } from './errors.ts'
import { NONCE_BYTES, TAG_BYTES } from './sodium.ts'
import { FORMAT_VERSION } from './version.ts'

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

/** Bytes of the salt. */
export const SALT_BYTES = 16
/** Bytes of the secretbox key, and of the check value. */
export const KEY_BYTES = 32

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
export function formatFileLines(file: CurrentFile): string {
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
export function malformedFile(part: string): AgentError {
  return new AgentError('file-malformed', `${peerMessages['file-malformed']}: ${part}`, {
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
