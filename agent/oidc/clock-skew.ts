import type { HttpResponse } from './http-fetch.ts'

/** Our clock minus the provider's, in seconds; undefined where its answer has no `Date`. */
export function clockSkewOf(
  { headers }: Pick<HttpResponse, 'headers'>,
  nowMs: number,
): number | undefined {
  const theirs = Date.parse(headers['date'] ?? '')
  // The header has whole seconds, cut off.
  return Number.isNaN(theirs) ? undefined : Math.floor(nowMs / 1000) - theirs / 1000
}
