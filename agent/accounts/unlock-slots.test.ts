import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AgentError } from '../../protocol/wire/errors.ts'
import { UnlockSlots } from './unlock-slots.ts'

/** What one derivation of a key takes here, milliseconds. */
const DERIVATION_MS = 150

/** The signal of a client that stays. */
const patient = new AbortController().signal

let slots: UnlockSlots
/** When each guess was derived, milliseconds since the start of the test. */
let derivedAt: number[]
let deriving: number
let mostAtOnce: number
let start: number

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
  start = Date.now()
  slots = new UnlockSlots({ now: () => Date.now(), random: () => 0 })
  derivedAt = []
  deriving = 0
  mostAtOnce = 0
})
afterEach(() => void vi.useRealTimers())

/** Tries a password. Resolves to the outcome and the time of the reply. */
async function guess(
  password: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<{ readonly outcome: string; readonly at: number }> {
  const attempt = slots.run(async () => {
    deriving += 1
    mostAtOnce = Math.max(mostAtOnce, deriving)
    derivedAt.push(Date.now() - start)
    await new Promise((resolve) => setTimeout(resolve, DERIVATION_MS))
    deriving -= 1
    if (password !== 'right') throw new AgentError('wrong-password', 'wrong password')
  }, signal)
  const outcome = await attempt.then(
    () => 'unlocked',
    (error: unknown) => (error instanceof AgentError ? error.message : String(error)),
  )
  return { outcome, at: Date.now() - start }
}

describe('guesses over many connections', () => {
  test('guesses are derived one at a time', async () => {
    const guesses = Array.from({ length: 4 }, (_, index) => guess(`wrong ${index}`))
    await vi.advanceTimersByTimeAsync(60_000)
    await Promise.all(guesses)
    expect(mostAtOnce).toBe(1)
    expect(derivedAt).toEqual([0, 150, 300, 450])
  })

  test('100 connections that guess again at once get at most five guesses in ten seconds', async () => {
    const until = Date.now() + 25_000
    const keepGuessing = async (): Promise<void> => {
      while (Date.now() < until) {
        await guess('wrong')
        await new Promise((resolve) => setTimeout(resolve, 1000))
      }
    }
    const connections = Array.from({ length: 100 }, keepGuessing)
    await vi.advanceTimersByTimeAsync(40_000)
    await Promise.all(connections)
    const windows = derivedAt.map(
      (first) => derivedAt.filter((at) => at >= first && at < first + 10_000).length,
    )
    expect(Math.max(...windows)).toBe(5)
    expect(mostAtOnce).toBe(1)
  })

  test('a sixth attempt is refused at once, with the seconds to wait', async () => {
    const first = guess('wrong')
    await vi.advanceTimersByTimeAsync(DERIVATION_MS)
    const more = Array.from({ length: 4 }, () => guess('wrong'))
    await vi.advanceTimersByTimeAsync(3000)
    const refused = await guess('right')
    expect(refused).toEqual({
      outcome: 'too many attempts to unlock the agent: try again in 7 s',
      at: DERIVATION_MS + 3000,
    })
    await expect(slots.run(() => Promise.resolve(), patient)).rejects.toMatchObject({
      code: 'agent-busy',
      hint: 'The agent tries at most 5 passwords in 10 s.',
    })
    await vi.advanceTimersByTimeAsync(7000)
    const later = guess('right')
    await vi.advanceTimersByTimeAsync(DERIVATION_MS)
    expect((await later).outcome).toBe('unlocked')
    await Promise.all([first, ...more])
  })
})

test('the reply to the n-th wrong password waits 100 ms × n², and the right one none of it', async () => {
  const replies: number[] = []
  while (replies.length < 3) {
    const began = Date.now() - start
    const wrong = guess('wrong')
    await vi.advanceTimersByTimeAsync(2000)
    replies.push((await wrong).at - began - DERIVATION_MS)
  }
  expect(replies).toEqual([100, 400, 900])
  const began = Date.now() - start
  const right = guess('right')
  await vi.advanceTimersByTimeAsync(DERIVATION_MS)
  expect((await right).at - began).toBe(DERIVATION_MS)
})

test('the owner does not wait for twelve guesses whose clients have left', async () => {
  const guesses: Promise<unknown>[] = []
  for (let index = 0; index < 12; index += 1) {
    const client = new AbortController()
    guesses.push(guess('wrong', client.signal))
    await vi.advanceTimersByTimeAsync(20)
    client.abort(new AgentError('cancelled', 'the client has gone'))
  }
  const began = Date.now() - start
  const owner = guess('right')
  await vi.advanceTimersByTimeAsync(3000)
  expect((await owner).outcome).toBe('unlocked')
  expect((await owner).at - began).toBeLessThan(2 * DERIVATION_MS)
  await Promise.all(guesses)
})

test('a client that leaves frees its place in the queue, not the slot of its derived guess', async () => {
  const client = new AbortController()
  const guesses = Array.from({ length: 5 }, () => guess('wrong', client.signal))
  await vi.advanceTimersByTimeAsync(DERIVATION_MS + 10)
  client.abort(new AgentError('cancelled', 'the client has gone'))
  // The first was derived and the second is being derived; the three others leave the queue.
  const outcomes = (await Promise.all([...guesses.slice(0, 1), ...guesses.slice(2)])).map(
    ({ outcome }) => outcome,
  )
  expect(outcomes).toEqual(Array.from({ length: 4 }, () => 'the client has gone'))
  const next = Array.from({ length: 3 }, () => guess('wrong'))
  expect((await guess('right')).outcome).toContain('try again in 10 s')
  await vi.advanceTimersByTimeAsync(60_000)
  await Promise.all([...guesses, ...next])
  expect(derivedAt).toHaveLength(5)
})

test('an attempt of a client that has left already is not derived', async () => {
  const outcome = await guess('right', AbortSignal.abort(new AgentError('cancelled', 'gone')))
  expect(outcome).toMatchObject({ outcome: 'gone' })
  expect(derivedAt).toEqual([])
})

test('an attempt that fails for another reason than the password frees its slot and its turn', async () => {
  for (const error of [new Error('no memory'), new AgentError('file-malformed', 'no account')]) {
    for (let index = 0; index < 7; index += 1) {
      await expect(slots.run(() => Promise.reject(error), patient)).rejects.toBe(error)
    }
  }
  const right = guess('right')
  await vi.advanceTimersByTimeAsync(DERIVATION_MS)
  expect((await right).outcome).toBe('unlocked')
})
