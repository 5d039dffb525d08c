import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type ManagedState,
  nextLookMs,
  planRenewal,
  retryPauseSeconds,
} from './managed-token-file.ts'

test('a token in a file is renewed in the second half of its life, before its end', () => {
  const lifetimes = fc.integer({ min: 4, max: 10 ** 6 })
  const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
  fc.assert(
    fc.property(lifetimes, fc.nat({ max: 10 ** 6 }), random, (lifetime, minValid, chance) => {
      const { renewAt, expiresAt } = planRenewal(
        { expiresAt: 1000 + lifetime },
        1000,
        minValid,
        chance,
      )
      expect(expiresAt).toBe(1000 + lifetime)
      expect(renewAt).toBeGreaterThanOrEqual(1000 + lifetime / 2)
      expect(renewAt).toBeLessThan(expiresAt)
      // As many seconds as were asked for are left, if that is in the second half.
      if (minValid < lifetime / 2) expect(expiresAt - renewAt).toBeGreaterThanOrEqual(minValid)
    }),
  )
})

test('a token of unknown expiry is taken to live ten minutes in a file', () => {
  const { renewAt, expiresAt } = planRenewal({ expiresAt: 0 }, 1000, 0, 0.5)
  expect(expiresAt).toBe(1600)
  expect(renewAt).toBe(1510)
})

test('a token in a file is renewed at most once a second, also one that has expired already', () => {
  expect(planRenewal({ expiresAt: 1001 }, 1000, 60, 0).renewAt).toBe(1001)
  expect(planRenewal({ expiresAt: 900 }, 1000, 60, 0).renewAt).toBe(1001)
})

const NOW_MS = 1_000_000
const written = { expiresAt: 1020, reportedExpiry: 1020, identity: '' }
const error = 'no network'

test.each<[string, ManagedState, number | undefined, number | undefined]>([
  ['waits for its first token', { state: 'waiting', written: undefined }, undefined, undefined],
  ['is fresh', { state: 'fresh', written, renewAt: 1010 }, 10_000, 2_000],
  ['is fresh for long', { state: 'fresh', written, renewAt: 5000 }, 20_000, 2_000],
  ['is overdue', { state: 'fresh', written, renewAt: 900 }, 10, 10],
  ['is being renewed', { state: 'renewing', written, error: undefined, pause: 0 }, 20_000, 2_000],
  [
    'is being renewed without a token in it',
    { state: 'renewing', written: undefined, error, pause: 5 },
    30_000,
    2_000,
  ],
  ['is retried', { state: 'retrying', written, error, nextTry: 1001, pause: 5 }, 1_000, 1_000],
  [
    'is retried after its expiry',
    { state: 'retrying', written: undefined, error, nextTry: 1300, pause: 300 },
    30_000,
    2_000,
  ],
  ['has ended', { state: 'ended', written }, undefined, undefined],
])(
  'a token file that %s is looked at when something is due, and often enough to see its owner end',
  (_, state, withoutOwner, withOwner) => {
    expect(nextLookMs(state, false, NOW_MS)).toBe(withoutOwner)
    expect(nextLookMs(state, true, NOW_MS)).toBe(withOwner)
  },
)

test('pauses after failed renewals grow up to five minutes, and several fit before the token expires', () => {
  const pauses = (left: number): readonly number[] => {
    const found = [retryPauseSeconds(0, left)]
    for (let more = 0; more < 8; more += 1) found.push(retryPauseSeconds(found.at(-1) ?? 0, left))
    return found
  }
  expect(pauses(0)).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300])
  expect(pauses(120)).toEqual([5, 10, 20, 30, 30, 30, 30, 30, 30])
  expect(retryPauseSeconds(0, 2)).toBe(1)
  // A short token's short pauses do not make a long one of the next.
  expect(retryPauseSeconds(1, -1)).toBe(2)
})
