import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type CachedToken, Renewals, renewalLeadSeconds } from './token-cache.ts'

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

test('renewal is ahead of expiry, never in the first half of the life, ahead of what callers ask', () => {
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

test('a used token is renewed once, ahead of its expiry', () => {
  const renewals = new Renewals(runtime)
  const renew = vi.fn()
  renewals.schedule('key', token(3600), renew)
  vi.advanceTimersByTime(3200 * 1000)
  expect(renew).not.toHaveBeenCalled()
  vi.advanceTimersByTime(400 * 1000)
  expect(renew).toHaveBeenCalledTimes(1)
})

test('an unused token is left to expire', () => {
  const renewals = new Renewals(runtime)
  const renew = vi.fn()
  renewals.schedule('key', token(3600, { used: false }), renew)
  vi.advanceTimersByTime(3600 * 1000)
  expect(renew).not.toHaveBeenCalled()
})

test('a token that outlives the longest timer is still renewed', () => {
  const renewals = new Renewals(runtime)
  const renew = vi.fn()
  const days = 60 * 86400
  renewals.schedule('key', token(days), renew)
  vi.advanceTimersByTime(days * 0.85 * 1000)
  expect(renew).not.toHaveBeenCalled()
  vi.advanceTimersByTime(days * 0.1 * 1000)
  expect(renew).toHaveBeenCalledTimes(1)
})

test('cancelled renewals do not run; a new one replaces the old', () => {
  const renewals = new Renewals(runtime)
  const [old, other, kept] = [vi.fn(), vi.fn(), vi.fn()]
  renewals.schedule('a', token(100), old)
  renewals.schedule('a', token(100), kept)
  renewals.schedule('b', token(100), other)
  renewals.cancel('b')
  vi.advanceTimersByTime(100 * 1000)
  expect(old).not.toHaveBeenCalled()
  expect(other).not.toHaveBeenCalled()
  expect(kept).toHaveBeenCalledTimes(1)
  renewals.schedule('c', token(1000), other)
  renewals.cancelAll()
  vi.advanceTimersByTime(1000 * 1000)
  expect(other).not.toHaveBeenCalled()
})
