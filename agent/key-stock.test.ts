import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newKeyPair } from '../protocol/sealed.ts'
import { KeyStock } from './key-stock.ts'

test('no key pair is handed out twice', async () => {
  const stock = new KeyStock(newKeyPair)
  const keys = new Set<string>()
  for (let index = 0; index < 100; index += 1) {
    keys.add(Buffer.from(stock.take().publicKey).toString('hex'))
    if (index % 7 === 0) await turn()
  }
  expect(keys.size).toBe(100)
})

test('pairs are made ahead, a bounded number of them', async () => {
  let made = 0
  const stock = new KeyStock(() => {
    made += 1
    return newKeyPair()
  })
  stock.take()
  expect(made).toBe(1)
  for (let index = 0; index < 50; index += 1) await turn()
  expect(made).toBe(17)
  stock.take()
  expect(made).toBe(17)
})
