import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { DeviceSessions } from './device-sessions.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Sessions with one login, whose device code `code` lives for `seconds`. */
function pendingFor(seconds: number): DeviceSessions {
  const logins = new DeviceSessions({ now: () => Date.now(), random: () => 0 })
  add(logins, 'code', seconds)
  return logins
}

function add(logins: DeviceSessions, code: string, seconds: number): void {
  const account = accountOf({ name: code, issuer_url: 'https://op.example/', client_id: 'id' })
  logins.add(code, { account, passwordEntry: undefined, expiresAt: Date.now() + seconds * 1000 })
}

test('a login by device code is found until it ends', () => {
  const logins = pendingFor(600)
  expect(logins.get('code')?.account.name).toBe('code')
  logins.end('code')
  expect(logins.get('code')).toBeUndefined()
  expect(vi.getTimerCount()).toBe(0)
})

test('a login that is not polled any more is forgotten a minute after its device code has expired', () => {
  const logins = pendingFor(600)
  vi.advanceTimersByTime(659_000)
  expect(logins.get('code')).toBeDefined()
  vi.advanceTimersByTime(1000)
  expect(logins.get('code')).toBeUndefined()
})

test('a login whose device code lives for years is not forgotten at once', () => {
  const logins = pendingFor(1e12)
  vi.advanceTimersByTime(3_600_000)
  expect(logins.get('code')).toBeDefined()
})

test('of more than a hundred logins the oldest are forgotten', () => {
  const logins = pendingFor(600)
  for (let count = 0; count < 100; count += 1) add(logins, `other ${count}`, 600)
  expect(logins.get('code')).toBeUndefined()
  expect(logins.get('other 0')).toBeDefined()
  expect(vi.getTimerCount()).toBe(100)
})
