import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planRenewal, retryPauseSeconds } from './managed-token-file.ts'

describe('planFor', () => {
  test('renews in the second half of the token’s life, before its end', () => {
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
        // As many seconds as were asked for are left, where that is in the second half.
        if (minValid < lifetime / 2) expect(expiresAt - renewAt).toBeGreaterThanOrEqual(minValid)
      }),
    )
  })

  test('takes a token of unknown expiry to live ten minutes', () => {
    const { renewAt, expiresAt } = planRenewal({ expiresAt: 0 }, 1000, 0, 0.5)
    expect(expiresAt).toBe(1600)
    expect(renewAt).toBe(1510)
  })

  test('asks at most once a second, also for tokens that have expired already', () => {
    expect(planRenewal({ expiresAt: 1001 }, 1000, 60, 0).renewAt).toBe(1001)
    expect(planRenewal({ expiresAt: 900 }, 1000, 60, 0).renewAt).toBe(1001)
  })
})

test('pauses after failures grow up to five minutes, and several fit into what is left', () => {
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
