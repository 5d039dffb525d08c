import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  type CachedToken,
  MAX_CACHED_TOKENS,
  renewalLeadSeconds,
  TokenCache,
} from './token-cache.ts'

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

function token(lifetime: number, change: Partial<CachedToken> = {}): CachedToken {
  return {
    accessToken: 'token',
    expiresAt: lifetime,
    obtainedAt: 0,
    scope: undefined,
    differences: undefined,
    used: true,
    askedSeconds: 0,
    ...change,
  }
}

const runtime = { now: () => Date.now(), random: () => 0 }

test('a renewal is due before the expiry, before the remaining life that callers ask for, and in the second half of the life', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100000 }),
      fc.nat(100000),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (lifetime, askedSeconds, random) => {
        const lead = renewalLeadSeconds(token(lifetime, { askedSeconds }), random)
        expect(lead).toBeGreaterThan(0)
        expect(lead).toBeLessThanOrEqual(lifetime / 2)
        if (askedSeconds < 0.4 * lifetime) expect(lead).toBeGreaterThan(askedSeconds)
      },
    ),
  )
})

test.each([
  // A tenth to a fifth of the life.
  [3600, 0, 0, 360],
  [3600, 0, 0.5, 540],
  [3600, 0, 1, 720],
  // For a caller: a twentieth of the life more than it asks for.
  [3600, 900, 0, 1080],
  [100, 0, 0, 15],
  // Half of the life at most.
  [3600, 3000, 0, 1800],
  [10, 0, 0, 5],
])(
  'a token of %d s of which callers ask %d s, by the random number %d, is renewed %d s before its end',
  (lifetime, askedSeconds, random, lead) => {
    const obtainedAt = 1_000_000
    const renewed = token(0, { obtainedAt, expiresAt: obtainedAt + lifetime, askedSeconds })
    expect(renewalLeadSeconds(renewed, random)).toBeCloseTo(lead, 6)
  },
)

test('a used token is renewed once, ahead of its expiry', () => {
  const cache = new TokenCache()
  const renew = vi.fn()
  cache.store('key', token(3600), { runtime, renew })
  vi.advanceTimersByTime(3200 * 1000)
  expect(renew).not.toHaveBeenCalled()
  vi.advanceTimersByTime(400 * 1000)
  expect(renew).toHaveBeenCalledTimes(1)
})

test('an unused token is left to expire', () => {
  const cache = new TokenCache()
  const renew = vi.fn()
  cache.store('key', token(3600, { used: false }), { runtime, renew })
  vi.advanceTimersByTime(3600 * 1000)
  expect(renew).not.toHaveBeenCalled()
})

test('a token that outlives the longest timer is still renewed', () => {
  const cache = new TokenCache()
  const renew = vi.fn()
  const days = 60 * 86400
  cache.store('key', token(days), { runtime, renew })
  vi.advanceTimersByTime(days * 0.85 * 1000)
  expect(renew).not.toHaveBeenCalled()
  vi.advanceTimersByTime(days * 0.1 * 1000)
  expect(renew).toHaveBeenCalledTimes(1)
})

test('a token that was replaced, deleted or cleared is not renewed', () => {
  const cache = new TokenCache()
  const [old, other, kept] = [vi.fn(), vi.fn(), vi.fn()]
  cache.store('a', token(100), { runtime, renew: old })
  cache.store('a', token(100), { runtime, renew: kept })
  cache.store('b', token(100), { runtime, renew: other })
  cache.delete('b')
  vi.advanceTimersByTime(100 * 1000)
  expect(old).not.toHaveBeenCalled()
  expect(other).not.toHaveBeenCalled()
  expect(kept).toHaveBeenCalledTimes(1)
  cache.store('c', token(1000), { runtime, renew: other })
  cache.clear()
  vi.advanceTimersByTime(1000 * 1000)
  expect(other).not.toHaveBeenCalled()
})

test('a closed cache has no timers, and stores nothing that comes late', () => {
  const cache = new TokenCache()
  const renew = vi.fn()
  cache.store('a', token(100), { runtime, renew })
  cache.close()
  cache.store('b', token(100), { runtime, renew })
  expect(cache.size).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('a token that has to make room for a newer one is not renewed', () => {
  const cache = new TokenCache()
  const renew = vi.fn()
  cache.store('first', token(100), { runtime, renew })
  cache.find('first', 0, 0)
  for (let index = 0; index < MAX_CACHED_TOKENS; index += 1) cache.store(`${index}`, token(100))
  vi.advanceTimersByTime(1000 * 1000)
  expect(renew).not.toHaveBeenCalled()
})

test('one timer renews the tokens of a cache, each at its time, whatever the order in which they came', () => {
  const cache = new TokenCache()
  const renewed: string[] = []
  for (const [key, lifetime] of [
    ['later', 300],
    ['soon', 100],
    ['last', 500],
  ] as const) {
    cache.store(key, token(lifetime), { runtime, renew: () => renewed.push(key) })
    cache.find(key, 0, 0)
  }
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(100 * 1000)
  expect(renewed).toEqual(['soon'])
  vi.advanceTimersByTime(900 * 1000)
  expect(renewed).toEqual(['soon', 'later', 'last'])
  expect(vi.getTimerCount()).toBe(0)
})
