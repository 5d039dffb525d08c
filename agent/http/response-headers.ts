import type { HttpResponse } from './http-client.ts'

/**
 * Seconds until the provider wants to be asked again (RFC 9110 §10.2.3): a number, or a date, which
 * is read by the provider's own clock. Undefined where it does not say.
 */
export function retryAfterSeconds({ headers }: Pick<HttpResponse, 'headers'>): number | undefined {
  const { 'retry-after': text, date } = headers
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text.trim())) return Number(text)
  const milliseconds = Date.parse(text) - Date.parse(date ?? '')
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, Math.ceil(milliseconds / 1000))
}

/** Our clock minus the provider's, in seconds; undefined where its answer has no `Date`. */
export function clockSkewOf(
  { headers }: Pick<HttpResponse, 'headers'>,
  nowMs: number,
): number | undefined {
  const theirs = Date.parse(headers['date'] ?? '')
  // The header has whole seconds, cut off.
  return Number.isNaN(theirs) ? undefined : Math.floor(nowMs / 1000) - theirs / 1000
}
