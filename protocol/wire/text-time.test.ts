import { expect, test } from 'vitest'
import { durationOf, instantOf } from './text.ts'

test.each([
  [-5, '0 s'],
  [0.9, '0 s'],
  [59, '59 s'],
  [60, '1 min'],
  [3599, '59 min 59 s'],
  [3605, '1 h 5 s'],
  [100_000, '1 d 3 h'],
])('a duration of %d seconds is written as %s', (seconds, text) => {
  expect(durationOf(seconds)).toBe(text)
})

test('a time is written in UTC, and a number that is no date as it is', () => {
  expect(instantOf(1_700_000_000)).toBe('2023-11-14T22:13:20Z')
  expect(instantOf(1_700_000_000.5)).toBe('2023-11-14T22:13:20Z')
  expect(instantOf(1e300)).toBe('1e+300')
})
