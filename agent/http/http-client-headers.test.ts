import { expect, test } from 'vitest'
import { retryAfterSeconds } from './http-client.ts'

const DATE = 'Sun, 22 Nov 2026 10:00:00 GMT'

test.each<[Record<string, string>, number | undefined]>([
  [{}, undefined],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': ' 120 ' }, 120],
  [{ 'retry-after': '-1' }, undefined],
  [{ 'retry-after': '99999999999' }, undefined],
  [{ 'retry-after': 'soon', date: DATE }, undefined],
  [{ 'retry-after': 'Sun, 22 Nov 2026 10:00:30 GMT', date: DATE }, 30],
  [{ 'retry-after': 'Sun, 22 Nov 2026 09:00:00 GMT', date: DATE }, 0],
  [{ 'retry-after': 'Sun, 22 Nov 2026 10:00:30 GMT' }, undefined],
])('Retry-After of the headers %j is %s seconds', (headers, seconds) => {
  expect(retryAfterSeconds({ headers })).toBe(seconds)
})
