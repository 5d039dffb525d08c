import { expect, test } from 'vitest'
import { type Account, accountOf } from '../../protocol/storage/account.ts'
import type { FileKey } from '../../protocol/storage/account-file.ts'
import type { JsonObject, PasswordEntry } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { LoadedAccount } from './loaded-account.ts'

const key = new Secret<FileKey>({ salt: Buffer.alloc(16, 1), bytes: Buffer.alloc(64, 2) })
const otherKey = new Secret<FileKey>({ salt: Buffer.alloc(16, 3), bytes: Buffer.alloc(64, 4) })
const entry = new Secret<PasswordEntry>({ type: 4, command: 'pass wlcg' })

function account(refreshToken: string): Account {
  return accountOf({
    name: 'wlcg',
    issuer_url: 'https://op.example/',
    refresh_token: refreshToken,
  })
}

/** What the request that loaded an account has said. */
function options(loaded: LoadedAccount): unknown {
  const { fileKey, passwordEntry, confirm, alwaysAllowIdToken } = loaded
  return { fileKey, passwordEntry, confirm, alwaysAllowIdToken }
}

test('an account that is loaded without options asks for nothing and has no key', () => {
  expect(options(new LoadedAccount(account('rt-0')))).toEqual({
    fileKey: undefined,
    passwordEntry: undefined,
    confirm: false,
    alwaysAllowIdToken: false,
  })
  expect(new LoadedAccount(account('rt-0')).loginExpired).toBe(false)
})

test.each([
  { confirm: true, alwaysAllowIdToken: false },
  { confirm: false, alwaysAllowIdToken: true },
])('an account keeps the options it was loaded with, until others are given: %j', (given) => {
  const all = { fileKey: key, passwordEntry: entry, ...given }
  const loaded = new LoadedAccount(account('rt-0'), all)
  expect(options(loaded)).toEqual(all)
  expect(options(loaded.successor(account('rt-1'), {}))).toEqual(all)
  loaded.addedAgain(account('rt-0'), {})
  expect(options(loaded)).toEqual(all)
  const more = {
    fileKey: otherKey,
    passwordEntry: new Secret<PasswordEntry>({ type: 8 }),
    confirm: !given.confirm,
    alwaysAllowIdToken: !given.alwaysAllowIdToken,
  }
  expect(options(loaded.successor(account('rt-1'), more))).toEqual(more)
  loaded.addedAgain(account('rt-0'), more)
  expect(options(loaded)).toEqual(more)
})

test('the successor of an account has the newer login', () => {
  const successor = new LoadedAccount(account('rt-0')).successor(account('rt-1'), {})
  expect(successor.holds(new Secret('rt-1'))).toBe(true)
  expect(successor.holds(new Secret('rt-0'))).toBe(false)
})

test('an account has a file if its key is known and it did not come from a login', () => {
  expect(new LoadedAccount(account('rt-0')).hasFile).toBe(false)
  expect(new LoadedAccount(account('rt-0'), { fileKey: key }).hasFile).toBe(true)
  expect(LoadedAccount.ofLogin(account('rt-0'), { fileKey: key }).hasFile).toBe(false)
  expect(LoadedAccount.ofLogin(account('rt-0'), {}).hasFile).toBe(false)
})

test('the file has the newest login if the one in memory has ended or was just refused', () => {
  const others = { file: new Secret('rt-file'), offered: new Secret('rt-0') }
  const loaded = new LoadedAccount(account('rt-0'))
  loaded.saveFailed('disk full')
  expect(loaded.newest(others)).toBe('memory')
  expect(loaded.newest(others, new Secret('rt-other'))).toBe('memory')
  expect(loaded.newest(others, new Secret('rt-0'))).toBe('file')
  loaded.loginEnded(new Secret('rt-0'))
  expect(loaded.newest(others)).toBe('file')
  expect(loaded.newest({})).toBe('memory')
})

test('an account without a refresh token that nobody has refused is not at its end', () => {
  const loaded = new LoadedAccount(accountOf({ name: 'a', issuer_url: 'https://op.example' }))
  expect(loaded.newest({ file: new Secret('rt-file'), offered: undefined })).toBe('file')
  loaded.saveFailed('disk full')
  expect(loaded.newest({ file: new Secret('rt-file') })).toBe('memory')
})

test('a refresh token that rotated a moment ago does not win over an unknown one in the file', () => {
  const loaded = new LoadedAccount(account('rt-0'))
  loaded.refreshSucceeded(new Secret('rt-0'), {
    refreshToken: new Secret('rt-1'),
    refreshTokenExpiresAt: undefined,
  })
  expect(loaded.newest({ file: new Secret('rt-0') })).toBe('memory')
  expect(loaded.newest({ file: new Secret('rt-unknown') })).toBe('file')
  loaded.saveFailed('disk full')
  expect(loaded.newest({ file: new Secret('rt-unknown') })).toBe('memory')
})

test('the end of the login in a response is kept, and a response without one leaves it', () => {
  const loaded = new LoadedAccount(account('rt-0'))
  const sent = new Secret('rt-0')
  loaded.refreshSucceeded(sent, { refreshToken: undefined, refreshTokenExpiresAt: 17 })
  expect(loaded.account.refreshTokenExpiresAt).toBe(17)
  const before = loaded.account
  loaded.refreshSucceeded(sent, { refreshToken: undefined, refreshTokenExpiresAt: undefined })
  expect(loaded.account).toBe(before)
})

test('the late response to a replaced refresh token does not take away the one before a failure', () => {
  const loaded = new LoadedAccount(account('rt-0'))
  loaded.refreshTokenRecovered(new Secret('rt-0'), new Secret('rt-1'))
  loaded.refreshSucceeded(new Secret('rt-0'), {
    refreshToken: undefined,
    refreshTokenExpiresAt: undefined,
  })
  expect(loaded.formerTokenRestored(new Secret('rt-1'))).toBe(true)
  expect(loaded.holds(new Secret('rt-0'))).toBe(true)
})

test('each replaced refresh token is remembered once, the last one at the end', () => {
  const loaded = new LoadedAccount(account('rt-0'))
  const respond = (sent: string, received: string): void =>
    loaded.refreshSucceeded(new Secret(sent), {
      refreshToken: new Secret(received),
      refreshTokenExpiresAt: undefined,
    })
  respond('rt-0', 'rt-1')
  respond('rt-0', 'rt-2')
  const { replaced } = loaded.toRecord()
  expect(new Set(replaced as readonly string[]).size).toBe(2)
  expect(replaced).toHaveLength(2)
  // A response to the one that was sent last is still adopted.
  respond('rt-0', 'rt-3')
  expect(loaded.holds(new Secret('rt-3'))).toBe(true)
})

const record: JsonObject = { ...new LoadedAccount(account('rt-0')).toRecord() }

test.each<[JsonObject, JsonObject]>([
  [{ rotation: 'rotates' }, { rotation: 'rotates' }],
  [{ rotation: 'keeps' }, { rotation: 'keeps' }],
  [{ rotation: 'other' }, { rotation: 'unknown' }],
  [{ saved: 7 }, { saved: { state: 'saved' } }],
  [{ saved: null }, { saved: { state: 'saved' } }],
  [{ saved: { state: 'other' } }, { saved: { state: 'saved' } }],
  [{ saved: { state: 'no-file', reason: 'x' } }, { saved: { state: 'no-file' } }],
  [{ saved: { state: 'rotated' } }, { saved: { state: 'rotated' } }],
  [
    { saved: { state: 'unsaved', reason: 'full' } },
    { saved: { state: 'unsaved', reason: 'full' } },
  ],
  [{ saved: { state: 'unsaved', reason: 7 } }, { saved: { state: 'unsaved', reason: '' } }],
  [{ replaced: 'x' }, { replaced: [] }],
  [{ replaced: ['x', 7] }, { replaced: ['x'] }],
  [{ publishedIssuer: 'https://p' }, { publishedIssuer: 'https://p' }],
  [{ publishedIssuer: 7 }, { publishedIssuer: null }],
  [{ loginExpired: true }, { loginExpired: true }],
  [{ loginExpired: 'true' }, { loginExpired: false }],
  [{ confirm: true }, { confirm: true }],
  [{ confirm: 1 }, { confirm: false }],
  [{ alwaysAllowIdToken: true }, { alwaysAllowIdToken: true }],
  [{ fileKey: { salt: 'AQ==', bytes: 'Ag==' } }, { fileKey: { salt: 'AQ==', bytes: 'Ag==' } }],
  [{ fileKey: { salt: 'AQ==' } }, { fileKey: null }],
  [{ fileKey: { bytes: 'Ag==' } }, { fileKey: null }],
  [{ fileKey: 'AQ==' }, { fileKey: null }],
  [
    { passwordEntry: { type: 4, command: 'pass wlcg' } },
    { passwordEntry: { type: 4, command: 'pass wlcg' } },
  ],
  [{ passwordEntry: 7 }, { passwordEntry: null }],
])('a record of a loaded account with %j is read as %j', (members, read) => {
  const loaded = LoadedAccount.fromRecord({ ...record, ...members })
  expect(loaded?.toRecord()).toEqual({ ...record, ...read })
})
