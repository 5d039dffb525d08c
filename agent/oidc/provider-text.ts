import type { Secret } from '../../protocol/secret.ts'

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
