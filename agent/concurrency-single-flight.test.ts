import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { RunningWork, SingleFlight } from './concurrency.ts'

test('work for one key runs once, however many callers ask for it while it runs', async () => {
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

test('work for another key runs on its own', async () => {
  const flights = new SingleFlight<string>()
  const results = await Promise.all(
    ['a', 'b', 'a'].map((key) => flights.run(key, () => Promise.resolve(key))),
  )
  expect(results).toEqual(['a', 'b', 'a'])
})

test('a failure reaches all callers that waited, and the next call starts the work again', async () => {
  const flights = new SingleFlight<number>()
  const failing = (): Promise<number> => Promise.reject(new Error('down'))
  const first = flights.run('key', failing)
  const second = flights.run('key', failing)
  await expect(first).rejects.toThrow('down')
  await expect(second).rejects.toThrow('down')
  expect(await flights.run('key', () => Promise.resolve(1))).toBe(1)
})

test('settled waits for the work that runs, whether it succeeds or fails', async () => {
  const work = new RunningWork()
  const good = withResolver<number>()
  let settled = false
  work.track(good.promise)
  const bad = Promise.reject(new Error('down'))
  work.track(bad)
  const waiting = work.settled().then(() => {
    settled = true
  })
  await expect(bad).rejects.toThrow('down')
  expect(settled).toBe(false)
  good.resolve(1)
  await waiting
  expect(settled).toBe(true)
})

test('settled waits for work that began while it waited', async () => {
  const work = new RunningWork()
  const [first, second] = [withResolver<number>(), withResolver<number>()]
  let settled = false
  work.track(first.promise)
  const waiting = work.settled().then(() => {
    settled = true
  })
  work.track(second.promise)
  first.resolve(1)
  await first.promise
  await nextTurn()
  expect(settled).toBe(false)
  second.resolve(2)
  await waiting
  expect(settled).toBe(true)
})

function withResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
