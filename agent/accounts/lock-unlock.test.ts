import { hkdfSync } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import type { DeriveKey } from '../../protocol/storage/account-file.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { Keyring } from './keyring.ts'
import { LoadedAccount } from './loaded-account.ts'
import { Lock, restoreAccounts, serializeAccounts } from './lock.ts'

const runtime = { now: () => Date.now(), random: () => 0 }
const ignored = { added: () => undefined, removed: () => undefined }
const patient = new AbortController().signal
/** A key from a password, faster than Argon2. */
const derive: DeriveKey = (password, salt) =>
  Promise.resolve(new Uint8Array(hkdfSync('sha256', password, salt, '', 64)))

let keyring: Keyring
let lock: Lock
let settled: Promise<void>

beforeEach(() => {
  settled = Promise.resolve()
  keyring = new Keyring(runtime, ignored)
  lock = newLock(derive)
  keyring.add(account(), 0)
})
afterEach(() => {
  keyring.removeAll()
})

function account(refreshToken = 'rt-0'): LoadedAccount {
  const fields = { name: 'a', issuer_url: 'https://op.example/', refresh_token: refreshToken }
  return new LoadedAccount(accountOf(fields))
}

function newLock(deriveKey: DeriveKey): Lock {
  return new Lock({ keyring, derive: deriveKey, settled: () => settled, runtime })
}

test('a locked agent has no account until the password has unlocked it', async () => {
  expect(lock.isLocked).toBe(false)
  lock.checkOpen()
  await lock.lock('pw')
  expect(lock.isLocked).toBe(true)
  expect(keyring.names()).toEqual([])
  expect(() => lock.checkOpen()).toThrow(
    expect.objectContaining({ code: 'agent-locked', hint: 'Unlock it with\n\t$ oidc-add -X' }),
  )
  await lock.unlock('pw', patient)
  expect(lock.isLocked).toBe(false)
  expect(keyring.get('a')?.account.refreshToken?.reveal()).toBe('rt-0')
})

test('a wrong password leaves the agent locked', async () => {
  await lock.lock('pw')
  await expect(lock.unlock('other', patient)).rejects.toMatchObject({ code: 'wrong-password' })
  expect(lock.isLocked).toBe(true)
  await lock.unlock('pw', patient)
  expect(keyring.names()).toEqual(['a'])
})

test('an agent is locked once, and is unlocked only if it is locked', async () => {
  await expect(lock.unlock('pw', patient)).rejects.toMatchObject({ code: 'agent-not-locked' })
  await lock.lock('pw')
  await expect(lock.lock('other')).rejects.toMatchObject({ code: 'agent-locked' })
  await lock.unlock('pw', patient)
  await expect(lock.unlock('pw', patient)).rejects.toMatchObject({ code: 'agent-not-locked' })
})

test('of two clients that unlock at the same time the second is told that the agent is not locked', async () => {
  await lock.lock('pw')
  const first = lock.unlock('pw', patient)
  const second = lock.unlock('pw', patient)
  await first
  keyring.get('a')?.issuerPublished('https://published.example')
  await expect(second).rejects.toMatchObject({ code: 'agent-not-locked' })
  expect(keyring.get('a')?.publishedIssuer).toBe('https://published.example')
})

test('an agent that is being locked refuses requests, and seals the refresh token that comes meanwhile', async () => {
  let settle = (): void => undefined
  settled = new Promise((resolve) => {
    settle = resolve
  })
  const locking = lock.lock('pw')
  expect(lock.isLocked).toBe(true)
  await expect(lock.unlock('pw', patient)).rejects.toMatchObject({ code: 'agent-not-locked' })
  keyring.get('a')?.refreshTokenRecovered(new Secret('rt-0'), new Secret('rt-1'))
  settle()
  await locking
  await lock.unlock('pw', patient)
  expect(keyring.get('a')?.account.refreshToken?.reveal()).toBe('rt-1')
})

test('an agent whose lock fails stays open, with its accounts', async () => {
  const failing = newLock(() => Promise.reject(new Error('no memory')))
  await expect(failing.lock('pw')).rejects.toThrow(
    expect.objectContaining({ message: 'no memory' }),
  )
  expect(failing.isLocked).toBe(false)
  expect(keyring.names()).toEqual(['a'])
})

test('an agent whose accounts cannot be sealed loads them again', async () => {
  // A key that is too short.
  const failing = newLock(() => Promise.resolve(new Uint8Array(3)))
  await expect(failing.lock('pw')).rejects.toBeInstanceOf(Error)
  expect(failing.isLocked).toBe(false)
  expect(keyring.get('a')?.account.refreshToken?.reveal()).toBe('rt-0')
})

test.each([
  {},
  { accounts: 'a' },
  { accounts: { 0: {} } },
  { accounts: [null, 'a', [], {}, { account: 7 }] },
])('what is not a list of accounts loads no account: %j', (serialized) => {
  const empty = new Keyring(runtime, ignored)
  restoreAccounts(serialized, empty, 0)
  expect(empty.names()).toEqual([])
})

test('an account whose end is not a time stays for ever', () => {
  const [record] = serializeAccounts(keyring, 0)['accounts'] as readonly object[]
  expect(record).toMatchObject({ dies_at: 0 })
  for (const dies_at of [-1, '7', null]) {
    const restored = new Keyring(runtime, ignored)
    restoreAccounts({ accounts: [{ ...record, dies_at }] }, restored, 1000)
    expect(restored.lifetimeLeft('a')).toBe(0)
  }
})

test('an account keeps the end of its lifetime while the agent is locked', () => {
  const clock = { now: () => 10_000, random: () => 0 }
  const before = new Keyring(clock, ignored)
  before.add(account(), 60)
  const serialized = serializeAccounts(before, 10_000)
  expect(serialized).toMatchObject({ accounts: [{ dies_at: 70_000 }] })
  const after = new Keyring({ ...clock, now: () => 40_000 }, ignored)
  restoreAccounts(serialized, after, 40_000)
  expect(after.lifetimeLeft('a')).toBe(30)
  before.removeAll()
  after.removeAll()
})
