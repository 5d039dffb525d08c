import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { momentOf, startTimer, steadyNow } from './concurrency.ts'

const DAY_MS = 86_400_000
const runtime = { now: () => Date.now(), random: () => 0 }

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => void vi.useRealTimers())

test.each([1, 1000, DAY_MS, 24 * DAY_MS, 25 * DAY_MS, 60 * DAY_MS, 400 * DAY_MS])(
  'a timer that is due in %i ms fires then, once, and not before',
  (delay) => {
    const callback = vi.fn()
    startTimer(runtime, Date.now() + delay, callback)
    vi.advanceTimersByTime(delay - 1)
    expect(callback).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(callback).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(delay)
    expect(callback).toHaveBeenCalledTimes(1)
  },
)

test('a timer that is overdue fires after the caller has gone on', () => {
  const callback = vi.fn()
  startTimer(runtime, Date.now() - 1, callback)
  expect(callback).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(callback).toHaveBeenCalledTimes(1)
})

test('a timer whose clock was set back waits for its time', () => {
  const callback = vi.fn()
  startTimer(runtime, Date.now() + 1000, callback)
  vi.setSystemTime(Date.now() - 5000)
  vi.advanceTimersByTime(5999)
  expect(callback).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(callback).toHaveBeenCalledTimes(1)
})

test('a cancelled timer never fires, also if it was armed again before', () => {
  const callback = vi.fn()
  const cancel = startTimer(runtime, Date.now() + 60 * DAY_MS, callback)
  vi.advanceTimersByTime(50 * DAY_MS)
  cancel()
  cancel()
  vi.advanceTimersByTime(50 * DAY_MS)
  expect(callback).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
})

test('a timer does not keep the process alive', () => {
  vi.useRealTimers()
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const cancel = startTimer(runtime, Date.now() + 60_000, () => undefined)
  const after = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  cancel()
  expect(after).toBe(before)
})

test('the time does not run slower than the machine when the clock is set back', () => {
  let now = 10_000
  let uptime = 100
  const clock = { now: () => now * 1000, random: () => 0, uptime: () => uptime }
  const since = momentOf(clock)
  uptime += 60
  now -= 3600
  expect(steadyNow(clock, since)).toBe(10_060)
  expect(steadyNow(clock, undefined)).toBe(6400)
  now += 3658
  expect(steadyNow(clock, since)).toBe(10_058)
  now += 3600
  expect(steadyNow(clock, since)).toBe(13_658)
})
