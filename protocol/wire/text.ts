import type { Secret } from './secret.ts'

/*
 * Text at the edges of a program: foreign text made safe to show, then values written for a shell, for a
 * person and as base64.
 *
 * Foreign text comes from a provider, a token, another agent or a file name. It must not act on the program
 * that shows it, nor look like something else. Unsafe are:
 * - control characters (Cc: C0, DEL, C1), which a terminal obeys;
 * - format characters (Cf: bidirectional overrides and isolates, zero-width characters), which change the
 *   order of the text or hide in it (Unicode TR 36 §2.10, CVE-2021-42574);
 * - line and paragraph separators (Zl, Zp), which begin a line in some programs;
 * - lone surrogates (Cs), which are no characters.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const UNSAFE_RUN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu
/** In a text of several lines, which may have tabs. */
const UNSAFE_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Longest text of a provider in a message, in characters: a longer one is a page, not a reason. */
export const MAX_PROVIDER_TEXT = 300
/** Longest foreign text in a page, in characters: the page has room for a few lines. */
const MAX_HTML_TEXT = 400

/** What is done to foreign text, by where it goes. */
const policies = {
  /** Messages, hints and questions on a terminal: several lines, unsafe characters as `?`. */
  terminal: (text) => text.replace(UNSAFE_IN_LINES, '?'),
  /** A line of a log, a row of a list, a name in a sentence: one line, unsafe characters as `?`. */
  line: (text) => text.replace(UNSAFE, '?'),
  /** Element content or a quoted attribute of a page: one line, bounded, escaped. */
  html: (text) =>
    bounded(text, MAX_HTML_TEXT).replace(
      /[&<>"']/g,
      (character) => `&#${character.charCodeAt(0)};`,
    ),
  /** The JSON text of a value: the same value, with unsafe characters escaped (RFC 8259 §7). */
  json: (text) => text.replace(UNSAFE_IN_LINES, jsonEscaped),
  /** A provider's reason in a message: one line, bounded. {@link providerText} takes secrets out first. */
  reason: (text) => bounded(text, MAX_PROVIDER_TEXT),
} as const satisfies Readonly<Record<string, (text: string) => string>>

/** `text`, which is foreign, fit for where it goes. */
export function sanitize(text: string, policy: keyof typeof policies): string {
  return policies[policy](text)
}

function bounded(text: string, maxCharacters: number): string {
  const line = text.replace(UNSAFE_RUN, ' ').trim()
  if (line.length <= maxCharacters) return line
  // Half a character at the cut would be unsafe again.
  return `${line.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, '')}…`
}

function jsonEscaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    const unit = character.charCodeAt(index)
    return `\\u${unit.toString(16).padStart(4, '0')}`
  }).join('')
}

/** Shorter secrets are not searched for: replacing every `e` makes a message unreadable and hides nothing. */
const MIN_SECRET_CHARACTERS = 6
/** No more is searched for tokens: a provider's text may be 1 MiB, which takes seconds. */
const MAX_SEARCHED_TEXT = 2000
/** A JWT, signed or not: INDIGO IAM's refresh tokens have an empty signature (wlcg.md §6). */
const JWT = /\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*){0,3}/g

/**
 * A provider's text for a message: one line, at most {@link MAX_PROVIDER_TEXT} characters and `…`. JWTs
 * and the `secrets` that were sent are replaced: IAM repeats the refresh token in its error description.
 */
export function providerText(text: string, secrets: readonly Secret[]): string {
  const values = secrets
    .map((secret) => secret.reveal())
    .filter((value) => value.length >= MIN_SECRET_CHARACTERS)
    // The longest first: a secret may be part of another one.
    .sort((one, other) => other.length - one.length)
  let shown = text
  for (const form of values.flatMap(writtenForms)) shown = shown.replaceAll(form, '[secret]')
  return sanitize(shown.slice(0, MAX_SEARCHED_TEXT).replace(JWT, '[token]'), 'reason')
}

/** A value as it is, and percent-encoded as forms and URLs carry it, hexadecimal digits in either case. */
function writtenForms(value: string): readonly string[] {
  // Unlike encodeURIComponent, it takes lone surrogates too.
  const form = new URLSearchParams({ '': value }).toString().slice(1)
  const all = form.replaceAll('+', '%20').replaceAll('*', '%2A')
  const uriComponent = all.replace(/%(?:2[1789A]|7E)/g, decodeURIComponent)
  const encoded = [all, uriComponent, form]
  const lowerCase = encoded.map((text) => text.replace(/%../g, (byte) => byte.toLowerCase()))
  return [value, ...encoded, ...lowerCase]
}

/** What a POSIX shell takes as it is, in any place: no blank, no glob, no `~`, no quote. */
const PLAIN = /^[A-Za-z0-9_./:@%+,=-]+$/

/** `value` as one word for a POSIX shell, quoted only where it has to be. */
export function shellQuote(value: string): string {
  return PLAIN.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`
}

/** A time in UTC, as `2026-11-22T01:00:00Z`; a number that is no date as it is. */
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

/** A duration in seconds, as `59 min 12 s`: its two largest units. */
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

/** A managed token file as one line: its path, account and expiry, and why it could not be renewed. */
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
  return sanitize(`${path} (${account}): ${token}${trouble}`, 'line')
}

/**
 * The bytes of padded standard base64 (RFC 4648 §4); undefined if `text` is anything else. Node's own
 * decoder skips unknown characters and also reads the URL alphabet; here each value has one text.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Padded standard base64 of `bytes`. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
