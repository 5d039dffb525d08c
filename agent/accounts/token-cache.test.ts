import fc from 'fast-check'
import { expect, test } from 'vitest'
import { requestedToken } from '../tokens/granted-scope.ts'
import {
  type CachedToken,
  MAX_CACHED_TOKENS,
  SHORTEST_USEFUL_SECONDS,
  TokenCache,
} from './token-cache.ts'

function token(obtainedAt: number, lifetime: number): CachedToken {
  return {
    accessToken: `token of ${obtainedAt}`,
    expiresAt: obtainedAt + lifetime,
    obtainedAt,
    scope: undefined,
    differences: undefined,
    used: false,
    askedSeconds: 0,
  }
}

test('a token is fresh exactly while more than max(min_valid_period, 10 s) remain', () => {
  const seconds = fc.integer({ min: 0, max: 5000 })
  fc.assert(
    fc.property(seconds, seconds, seconds, (lifetime, elapsed, minValid) => {
      const cache = new TokenCache()
      cache.store('key', token(1000, lifetime))
      const found = cache.find('key', minValid, 1000 + elapsed)
      const left = lifetime - elapsed
      expect(found.kind === 'fresh').toBe(left > Math.max(minValid, SHORTEST_USEFUL_SECONDS))
    }),
  )
})

test('if tokens never live as long as requested, the newest one is handed out for half its life', () => {
  const cache = new TokenCache()
  cache.store('key', token(0, 600))
  expect(cache.find('key', 3600, 299).kind).toBe('best')
  expect(cache.find('key', 3600, 300).kind).toBe('stale')
  // A new token would have 599 s left: this one is only too old.
  expect(cache.find('key', 599, 5).kind).toBe('stale')
})

test('a token obtained later than 1970 is handed out for half its life too', () => {
  const cache = new TokenCache()
  cache.store('key', token(1_000_000, 600))
  expect(cache.find('key', 600, 1_000_299).kind).toBe('best')
  expect(cache.find('key', 600, 1_000_300).kind).toBe('stale')
  expect(cache.find('key', 601, 1_000_000).kind).toBe('best')
})

test('an expired token is never handed out', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.integer({ min: 0, max: 10000 }), (lifetime, minValid) => {
      const cache = new TokenCache()
      cache.store('key', token(0, lifetime))
      expect(cache.find('key', minValid, lifetime).kind).toBe('stale')
    }),
  )
})

test('a token that was found is marked as used, with the longest remaining life that was asked for', () => {
  const cache = new TokenCache()
  cache.store('key', token(0, 600))
  expect(cache.peek('key')).toMatchObject({ used: false, askedSeconds: 0 })
  cache.find('key', 60, 1)
  cache.find('key', 30, 2)
  expect(cache.peek('key')).toMatchObject({ used: true, askedSeconds: 60 })
})

test('the number of cached tokens is bounded; the oldest goes first, and a token that is stored again is new', () => {
  const cache = new TokenCache()
  for (let index = 0; index < MAX_CACHED_TOKENS; index += 1)
    cache.store(String(index), token(0, 60))
  cache.store('0', token(1, 60))
  cache.store('new', token(1, 60))
  expect(cache.size).toBe(MAX_CACHED_TOKENS)
  expect(cache.peek('0')).toBeDefined()
  expect(cache.peek('1')).toBeUndefined()
})

test('a token that was deleted or cleared is not found', () => {
  const cache = new TokenCache()
  cache.store('a', token(0, 60))
  cache.store('b', token(0, 60))
  cache.delete('a')
  expect(cache.find('a', 0, 1).kind).toBe('stale')
  cache.clear()
  expect(cache.size).toBe(0)
})

test('requests for a token are equal whatever order, spacing and repetition their lists have', () => {
  const word = fc.stringMatching(/^[a-z:/.]{1,8}$/)
  fc.assert(
    fc.property(fc.array(word), fc.array(word), (scopes, audiences) => {
      const one = requestedToken(scopes.join(' '), audiences.join(' '))
      const other = requestedToken(
        ` ${[...scopes, ...scopes].reverse().join('  ')} `,
        [...audiences].reverse().join('\t'),
      )
      expect(other.key).toBe(one.key)
    }),
  )
  // The key keeps scopes and audiences apart.
  expect(requestedToken('a', undefined).key).not.toBe(requestedToken(undefined, 'a').key)
  expect(requestedToken('a b', undefined).key).not.toBe(requestedToken('a', 'b').key)
})
