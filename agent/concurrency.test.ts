import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyedMutex, Semaphore } from './concurrency.ts'

test('never more pieces of work than the limit run at a time, and all run in order of arrival', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.boolean(), { maxLength: 30 }),
      async (limit, outcomes) => {
        const turns = new Semaphore(limit)
        let running = 0
        let most = 0
        const started: number[] = []
        const results = await Promise.allSettled(
          outcomes.map((good, index) =>
            turns.run(async () => {
              started.push(index)
              running += 1
              most = Math.max(most, running)
              await Promise.resolve()
              running -= 1
              if (!good) throw new Error(String(index))
              return index
            }),
          ),
        )
        expect(most).toBeLessThanOrEqual(limit)
        expect(started).toEqual(outcomes.map((_, index) => index))
        expect(results.map(({ status }) => status === 'fulfilled')).toEqual(outcomes)
      },
    ),
  )
})

test('work for one key does not wait for another key, only for its own', async () => {
  const turns = new KeyedMutex(1)
  const order: string[] = []
  let release: () => void = () => undefined
  const held = turns.run('a', () => new Promise<void>((resolve) => (release = resolve)))
  const second = turns.run('a', () => Promise.resolve(order.push('a')))
  await turns.run('b', () => Promise.resolve(order.push('b')))
  release()
  await Promise.all([held, second])
  expect(order).toEqual(['b', 'a'])
})
