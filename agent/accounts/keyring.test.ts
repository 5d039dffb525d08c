import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { Keyring } from './keyring.ts'
import { LoadedAccount } from './loaded-account.ts'

const runtime = { now: () => Date.now(), random: () => 0 }
let changes: string[]
let keyring: Keyring

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
  changes = []
  keyring = new Keyring(runtime, {
    added: ({ name }) => void changes.push(`added ${name}`),
    removed: ({ name }) => void changes.push(`removed ${name}`),
  })
})
afterEach(() => void vi.useRealTimers())

function account(name: string, issuer = 'https://op.example/'): LoadedAccount {
  return new LoadedAccount(accountOf({ name, issuer_url: issuer, client_id: 'id' }))
}

test('the keyring has the loaded accounts in the order in which they were loaded', () => {
  const [b, a] = [account('b'), account('a')]
  keyring.add(b, 0)
  keyring.add(a, 0)
  expect(keyring.names()).toEqual(['b', 'a'])
  expect(keyring.all()).toEqual([b, a])
  expect(keyring.get('a')).toBe(a)
  expect(keyring.get('c')).toBeUndefined()
})

test('an account that is loaded again replaces the earlier one', () => {
  const [earlier, later] = [account('a'), account('a')]
  keyring.add(earlier, 0)
  keyring.add(later, 0)
  expect(keyring.all()).toEqual([later])
  expect(earlier.isDisposed).toBe(true)
  expect(later.isDisposed).toBe(false)
  expect(changes).toEqual(['added a', 'removed a', 'added a'])
})

test('the accounts of an issuer are found by the URL in the file and by the published one', () => {
  const [one, other, published] = [
    account('one'),
    account('other', 'https://other.example'),
    account('published', 'https://alias.example'),
  ]
  for (const loaded of [one, other, published]) keyring.add(loaded, 0)
  published.issuerPublished('https://op.example')
  expect(keyring.ofIssuer('https://op.example')).toEqual([one, published])
  expect(keyring.ofIssuer('https://alias.example/')).toEqual([published])
  expect(keyring.ofIssuer('https://nobody.example/')).toEqual([])
})

test('an account is removed at the end of its lifetime', () => {
  const loaded = account('a')
  keyring.add(loaded, 60)
  vi.advanceTimersByTime(59_999)
  expect(keyring.names()).toEqual(['a'])
  expect(loaded.isDisposed).toBe(false)
  vi.advanceTimersByTime(1)
  expect(keyring.names()).toEqual([])
  expect(loaded.isDisposed).toBe(true)
  expect(changes).toEqual(['added a', 'removed a'])
})

test('a lifetime that is set again counts from then, and 0 means for ever', () => {
  keyring.add(account('a'), 60)
  keyring.add(account('b'), 60)
  vi.advanceTimersByTime(50_000)
  keyring.setLifetime('a', 60)
  keyring.setLifetime('b', 0)
  vi.advanceTimersByTime(59_999)
  expect(keyring.names()).toEqual(['a', 'b'])
  vi.advanceTimersByTime(1)
  expect(keyring.names()).toEqual(['b'])
  vi.advanceTimersByTime(1_000_000)
  expect(keyring.names()).toEqual(['b'])
})

test('the lifetime of one account does not end the account that has replaced it', () => {
  keyring.add(account('a'), 60)
  keyring.add(account('a'), 0)
  vi.advanceTimersByTime(100_000)
  expect(keyring.names()).toEqual(['a'])
})

test('the lifetime that is left is in whole seconds, at least one, and 0 means for ever', () => {
  keyring.add(account('a'), 60)
  keyring.add(account('b'), 0)
  expect(keyring.lifetimeLeft('a')).toBe(60)
  expect(keyring.lifetimeLeft('b')).toBe(0)
  expect(keyring.lifetimeLeft('c')).toBeUndefined()
  vi.advanceTimersByTime(100)
  expect(keyring.lifetimeLeft('a')).toBe(60)
  vi.advanceTimersByTime(59_800)
  expect(keyring.lifetimeLeft('a')).toBe(1)
  // The clock may be ahead of the timer.
  vi.setSystemTime(2_000_000)
  expect(keyring.lifetimeLeft('a')).toBe(1)
})

test('the lifetime of an account that is not loaded is not set', () => {
  keyring.setLifetime('a', 60)
  expect(keyring.names()).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test('an account is removed once, with its timer', () => {
  const loaded = account('a')
  keyring.add(loaded, 60)
  expect(keyring.remove('a')).toBe(true)
  expect(keyring.remove('a')).toBe(false)
  expect(loaded.isDisposed).toBe(true)
  expect(changes).toEqual(['added a', 'removed a'])
  expect(vi.getTimerCount()).toBe(0)
})

test('all accounts are removed at once', () => {
  keyring.add(account('a'), 60)
  keyring.add(account('b'), 0)
  keyring.removeAll()
  expect(keyring.names()).toEqual([])
  expect(changes.slice(2)).toEqual(['removed a', 'removed b'])
})

test('a closed keyring keeps its accounts, which do nothing by themselves any more', () => {
  const loaded = [account('a'), account('b')]
  keyring.add(account('a'), 0)
  for (const one of loaded) keyring.add(one, 60)
  keyring.close()
  expect(keyring.all()).toEqual(loaded)
  expect(loaded.map(({ isDisposed }) => isDisposed)).toEqual([true, true])
  expect(vi.getTimerCount()).toBe(0)
})
