import { expect, test } from 'vitest'
import { SingleFlight } from './concurrency.ts'

test('work for one key runs once, however many ask while it runs', async () => {
  const flights = new SingleFlight<number>()
  const { promise, resolve } = withResolver<number>()
  let runs = 0
  const work = (): Promise<number> => {
    runs += 1
    return promise
  }
  const asked = Array.from({ length: 50 }, () => flights.run('key', work))
  resolve(7)
  expect(await Promise.all(asked)).toEqual(Array(50).fill(7))
  expect(runs).toBe(1)
})

test('other keys run on their own', async () => {
  const flights = new SingleFlight<string>()
  const results = await Promise.all(
    ['a', 'b', 'a'].map((key) => flights.run(key, () => Promise.resolve(key))),
  )
  expect(results).toEqual(['a', 'b', 'a'])
})

test('a failure reaches all who waited, and the next call starts anew', async () => {
  const flights = new SingleFlight<number>()
  const failing = (): Promise<number> => Promise.reject(new Error('down'))
  const first = flights.run('key', failing)
  const second = flights.run('key', failing)
  await expect(first).rejects.toThrow('down')
  await expect(second).rejects.toThrow('down')
  expect(await flights.run('key', () => Promise.resolve(1))).toBe(1)
})

test('settled waits for what runs, well or badly', async () => {
  const flights = new SingleFlight<number>()
  const good = withResolver<number>()
  let settled = false
  const running = flights.run('good', () => good.promise)
  const bad = flights.run('bad', () => Promise.reject(new Error('down')))
  const waiting = flights.settled().then(() => {
    settled = true
  })
  await expect(bad).rejects.toThrow('down')
  expect(settled).toBe(false)
  good.resolve(1)
  await Promise.all([running, waiting])
  expect(settled).toBe(true)
})

function withResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
