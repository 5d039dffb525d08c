import type { Secret } from './secret.ts'

/**
 * `text` without what a terminal would obey: control characters but ends of line and tabs are shown as
 * `?`. Error texts and hints hold what providers said.
 */
export function visibleText(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '?')
}

/** Longest text of a provider that is passed on, in characters; longer ones are pages, not reasons. */
export const MAX_PROVIDER_TEXT = 300

/** No more is looked at: a provider's text may be 1 MiB, and searching that for tokens takes seconds. */
const MAX_SEARCHED_TEXT = 2000

/** A JWT, signed or not: INDIGO IAM's refresh tokens have an empty signature (wlcg.md §6). */
const JWT = /\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*){0,3}/g
/** C0, DEL, C1, line separators, and what turns the writing direction. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu

/**
 * A provider's text as it may be shown: without control characters, without tokens (IAM repeats the
 * refresh token in its error description), on one line, bounded.
 */
export function providerText(text: string, secrets: readonly Secret[]): string {
  let shown = text
  for (const secret of secrets) shown = without(shown, secret.reveal())
  shown = shown.slice(0, MAX_SEARCHED_TEXT).replace(JWT, '[token]').replace(UNPRINTABLE, ' ').trim()
  return shown.length > MAX_PROVIDER_TEXT ? `${shown.slice(0, MAX_PROVIDER_TEXT)}…` : shown
}

function without(text: string, value: string): string {
  if (value === '') return text
  return text.replaceAll(value, '[secret]').replaceAll(encodeURIComponent(value), '[secret]')
}

/** What a POSIX shell takes as it stands, in any place: no blank, no glob, no `~`, no quote. */
const PLAIN = /^[A-Za-z0-9_./:@%+,=-]+$/

/** `value` as one word for a POSIX shell, quoted only where it has to be. */
export function shellQuote(value: string): string {
  return PLAIN.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`
}

/** A moment as people read it, 2026-11-22T01:00:00Z; as it is where it is no time of this world. */
export function instantOf(seconds: number): string {
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) return String(seconds)
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const

/** A time in seconds as people read it, 59 min 12 s: the two largest units that count. */
export function durationOf(seconds: number): string {
  let rest = Math.max(0, Math.floor(seconds))
  const parts: string[] = []
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${unit}`)
  }
  return parts.length === 0 ? '0 s' : parts.slice(0, 2).join(' ')
}

/**
 * The bytes of padded standard base64 (RFC 4648 §4), or undefined where the text is anything else.
 * Node's own decoder skips what it does not know and reads the URL alphabet too; here two texts
 * never decode to the same bytes.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Padded standard base64 of `bytes`. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** A kept token file as a person reads of it: where, whose, how long it is good for, what is wrong. */
export function tokenFileLine({
  path,
  account,
  expires_at: expiresAt,
  state,
  error,
}: {
  readonly path: string
  readonly account: string
  readonly expires_at: number
  readonly state: 'fresh' | 'retrying'
  readonly error?: string | undefined
}): string {
  const none = state === 'fresh' ? 'of unknown expiry' : 'no token'
  const token = expiresAt === 0 ? none : `valid until ${instantOf(expiresAt)}`
  const trouble = state === 'fresh' ? '' : `; retrying: ${error ?? 'unknown error'}`
  return `${path} (${account}): ${token}${trouble}`
}
