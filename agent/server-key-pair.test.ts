import { expect, test } from 'vitest'
import { newKeyPair } from '../protocol/wire/encryption.ts'
import { RotatingKeyPair } from './server.ts'

test('a pair serves the connections of a second, then there is another', () => {
  let now = 0
  const keys = new RotatingKeyPair(newKeyPair, () => now)
  const first = keys.get()
  now = 999
  expect(keys.get()).toBe(first)
  now = 1000
  const second = keys.get()
  expect(second.publicKey).not.toEqual(first.publicKey)
})
