import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { type Account, accountOf } from '../../protocol/storage/account.ts'
import { fieldsForFile } from '../../protocol/storage/refresh-token-members.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { Secret, secretOf } from '../../protocol/wire/secret.ts'
import { DeviceSessions } from '../login/device-sessions.ts'
import { Keyring } from './keyring.ts'
import { LoadedAccount } from './loaded-account.ts'
import type { LoadedAccountRecord } from './loaded-account-record.ts'

const runtime = { now: () => 1_000_000, random: () => 0 }

function account(refreshToken: string, more: JsonObject = {}): Account {
  const names = { name: 'wlcg', issuer_url: 'https://op.example/' }
  return accountOf({ ...names, refresh_token: refreshToken, ...more })
}

function loadedWith(refreshToken: string): LoadedAccount {
  return new LoadedAccount(account(refreshToken))
}

/** The provider's response to a refresh with `sent`, which brings `received` if that is not empty. */
function respond(loaded: LoadedAccount, sent: string, received = ''): void {
  const response = { refreshToken: secretOf(received), refreshTokenExpiresAt: undefined }
  loaded.refreshSucceeded(new Secret(sent), response)
}

function held(loaded: LoadedAccount): string | undefined {
  return loaded.account.refreshToken?.reveal()
}

test('a response without a new refresh token says that the provider keeps them', () => {
  const loaded = loadedWith('rt-0')
  respond(loaded, 'rt-0')
  expect(loaded).toMatchObject({ rotation: 'keeps', needsSaving: false })
  expect(held(loaded)).toBe('rt-0')
  const same = loadedWith('rt-0')
  respond(same, 'rt-0', 'rt-0')
  expect(same).toMatchObject({ rotation: 'keeps', needsSaving: false })
})

test('a new refresh token takes the place of the one that was sent, and is to be saved', () => {
  const loaded = loadedWith('rt-0')
  respond(loaded, 'rt-0', 'rt-1')
  expect(loaded).toMatchObject({ rotation: 'rotates', needsSaving: true })
  expect(held(loaded)).toBe('rt-1')
  loaded.tokenSaved(loaded.account)
  expect(loaded.needsSaving).toBe(false)
})

test('a refresh token that rotated while an older one was saved is still to be saved', () => {
  const loaded = loadedWith('rt-0')
  respond(loaded, 'rt-0', 'rt-1')
  const older = loaded.account
  respond(loaded, 'rt-1', 'rt-2')
  loaded.tokenSaved(older)
  expect(loaded.needsSaving).toBe(true)
})

test('of two refreshes with one refresh token the later response counts', () => {
  const loaded = loadedWith('rt-0')
  respond(loaded, 'rt-0', 'rt-1')
  loaded.tokenSaved(loaded.account)
  respond(loaded, 'rt-0', 'rt-2')
  expect(held(loaded)).toBe('rt-2')
  // The file has the first one, which is older.
  expect(loaded.newest({ file: new Secret('rt-1') })).toBe('memory')
})

test('a late response to an earlier login does not replace the newer login', () => {
  const loaded = loadedWith('rt-0')
  loaded.restored(account('rt-new'))
  respond(loaded, 'rt-0', 'rt-1')
  expect(held(loaded)).toBe('rt-new')
  expect(loaded.needsSaving).toBe(false)
})

test('a refusal ends the login only if the refused refresh token is still the account’s', () => {
  const loaded = loadedWith('rt-0')
  respond(loaded, 'rt-0', 'rt-1')
  loaded.loginEnded(new Secret('rt-0'))
  expect(loaded.loginExpired).toBe(false)
  loaded.loginEnded(new Secret('rt-1'))
  expect(loaded.loginExpired).toBe(true)
  respond(loaded, 'rt-1')
  expect(loaded.loginExpired).toBe(false)
  loaded.loginEnded(new Secret('rt-1'))
  loaded.restored(account('rt-new'))
  expect(loaded.loginExpired).toBe(false)
})

test('a refresh token that rotated before its login was saved wins over the old file', () => {
  const loaded = LoadedAccount.ofLogin(account('rt-0'), {})
  expect(loaded.needsSaving).toBe(false)
  expect(loaded.newest({ file: new Secret('rt-other') })).toBe('file')
  respond(loaded, 'rt-0', 'rt-1')
  expect(loaded.needsSaving).toBe(true)
  expect(loaded.newest({ file: new Secret('rt-other') })).toBe('memory')
})

test('an account that was added again with its own refresh token and its file key has a file', () => {
  const loaded = LoadedAccount.ofLogin(account('rt-0'), {})
  loaded.addedAgain(account('rt-0'), {})
  expect(loaded.saved).toEqual({ state: 'no-file' })
  loaded.addedAgain(account('rt-0'), { fileKey: new Secret({ salt: bytes(16), bytes: bytes(64) }) })
  expect(loaded.saved).toEqual({ state: 'saved' })
})

test('the number of replaced refresh tokens that are remembered is bounded', () => {
  const loaded = loadedWith('rt-0')
  for (let count = 0; count < 150; count += 1) respond(loaded, `rt-${count}`, `rt-${count + 1}`)
  expect(loaded.toRecord().replaced).toHaveLength(100)
  loaded.tokenSaved(loaded.account)
  expect(loaded.newest({ file: new Secret('rt-149') })).toBe('memory')
})

test('a disposed account caches no token that comes late', () => {
  const loaded = loadedWith('rt-0')
  const token = { accessToken: 'at', expiresAt: 2000, obtainedAt: 1000, scope: undefined }
  const stored = { ...token, differences: undefined, used: false, askedSeconds: 0 }
  loaded.tokens.store('key', stored)
  loaded.dispose()
  loaded.tokens.store('key', stored)
  expect(loaded.tokens.size).toBe(0)
  expect(loaded.isDisposed).toBe(true)
})

function bytes(length: number): Uint8Array {
  return Buffer.alloc(length, 7)
}

const secret = fc.stringMatching(/^[\w.~+/-]{12,40}$/)

/** Accounts to which anything has happened, each with the secrets that it holds. */
const anyLoaded = fc
  .record({
    secrets: fc.tuple(secret, secret, secret, secret),
    key: fc.uint8Array({ minLength: 64, maxLength: 64 }).map((key) => Buffer.from(key)),
    isLogin: fc.boolean(),
    rotated: fc.boolean(),
    failed: fc.option(fc.string()),
    ended: fc.boolean(),
    issuer: fc.option(fc.webUrl()),
    confirm: fc.boolean(),
    alwaysAllowIdToken: fc.boolean(),
  })
  .map((given) => {
    const [client_secret, first, second, password] = given.secrets
    const options = {
      fileKey: new Secret({ salt: bytes(16), bytes: given.key }),
      passwordEntry: new Secret({ type: 9, password, expires_at: 5 }),
      confirm: given.confirm,
      alwaysAllowIdToken: given.alwaysAllowIdToken,
    }
    const own = account(first, { client_secret, 'a member we do not know': [1, client_secret] })
    const loaded = given.isLogin
      ? LoadedAccount.ofLogin(own, options)
      : new LoadedAccount(own, options)
    respond(loaded, first, given.rotated ? second : '')
    if (given.failed !== null) loaded.saveFailed(given.failed)
    if (given.ended) loaded.loginEnded(loaded.account.refreshToken ?? new Secret(''))
    if (given.issuer !== null) loaded.issuerPublished(given.issuer)
    return { loaded, secrets: [...given.secrets, given.key.toString('base64'), given.key.join()] }
  })

function asJson(record: LoadedAccountRecord): JsonObject {
  const json = parseTolerantJson(JSON.stringify(record))
  if (!isJsonObject(json)) throw new Error('a record is a JSON object')
  return json
}

test('a record of an account holds all that is known of it, also after it was written as JSON', () => {
  fc.assert(
    fc.property(anyLoaded, ({ loaded }) => {
      const record = loaded.toRecord()
      const restored = LoadedAccount.fromRecord(asJson(record))
      expect(restored?.toRecord()).toEqual(record)
      expect(restored).toMatchObject({
        name: loaded.name,
        saved: loaded.saved,
        rotation: loaded.rotation,
        loginExpired: loaded.loginExpired,
        publishedIssuer: loaded.publishedIssuer,
        confirm: loaded.confirm,
        alwaysAllowIdToken: loaded.alwaysAllowIdToken,
        needsSaving: loaded.needsSaving,
      })
      expect(restored?.fileKey?.reveal()).toEqual(loaded.fileKey?.reveal())
      expect(restored?.passwordEntry?.reveal()).toMatchObject(loaded.passwordEntry?.reveal() ?? {})
    }),
  )
})

test('an account that is loaded prints none of its secrets, nor do the keyring and a login under way', () => {
  fc.assert(
    fc.property(anyLoaded, ({ loaded, secrets }) => {
      const keyring = new Keyring(runtime, { added: () => undefined, removed: () => undefined })
      keyring.add(loaded, 0)
      const { account: inUse, fileKey, passwordEntry } = loaded
      const login = { account: inUse, passwordEntry, expiresAt: 2_000_000 }
      const logins = new DeviceSessions(runtime)
      logins.add('code', login)
      const all = [loaded, keyring, keyring.all(), { fileKey, passwordEntry }, login, logins]
      logins.end('code')
      const everything = { depth: Infinity, showHidden: true, getters: true } as const
      const printed = inspect(all, { ...everything, maxStringLength: null, maxArrayLength: null })
      for (const one of secrets) {
        expect(printed + inspect(all) + JSON.stringify(all)).not.toContain(one)
      }
    }),
  )
})

test('a refresh token of a failed refresh is used, and the one before survives a lock', () => {
  const loaded = loadedWith('rt-0')
  loaded.refreshTokenRecovered(new Secret('rt-0'), new Secret('rt-1'))
  expect(loaded).toMatchObject({ rotation: 'rotates', needsSaving: true })
  expect(held(loaded)).toBe('rt-1')
  const record = parseTolerantJson(JSON.stringify(loaded.toRecord()))
  const unlocked = isJsonObject(record) ? LoadedAccount.fromRecord(record) : undefined
  expect(unlocked?.formerTokenRestored(new Secret('rt-other'))).toBe(false)
  expect(unlocked?.formerTokenRestored(new Secret('rt-1'))).toBe(true)
  expect(unlocked && held(unlocked)).toBe('rt-0')
  expect(unlocked?.needsSaving).toBe(true)
  expect(unlocked?.formerTokenRestored(new Secret('rt-0'))).toBe(false)
})

test('a refresh token of a failed refresh with an older token changes nothing', () => {
  const loaded = loadedWith('rt-1')
  loaded.refreshTokenRecovered(new Secret('rt-0'), new Secret('rt-bad'))
  loaded.refreshTokenRecovered(new Secret('rt-1'), new Secret('rt-1'))
  expect(held(loaded)).toBe('rt-1')
  expect(loaded.needsSaving).toBe(false)
})

test('a newer login of the account file forgets the refresh token of before', () => {
  const loaded = loadedWith('rt-0')
  loaded.refreshTokenRecovered(new Secret('rt-0'), new Secret('rt-1'))
  loaded.restored(account('rt-new'))
  expect(loaded.formerTokenRestored(new Secret('rt-new'))).toBe(false)
})

test('a save that failed is repeated after 5 s, then after longer and longer pauses of at most 5 min', async () => {
  vi.useFakeTimers()
  const loaded = loadedWith('rt-0')
  const clock = { now: () => Date.now(), random: () => 0 }
  const pauses: number[] = []
  let since = Date.now()
  const fail = (): void => {
    loaded.saveFailed('no space left on device')
    loaded.saveLater(clock, () => {
      pauses.push((Date.now() - since) / 1000)
      since = Date.now()
      fail()
    })
    // A refresh that fails to save as well does not put the next try off.
    loaded.saveLater(clock, () => pauses.push(-1))
  }
  fail()
  await vi.advanceTimersByTimeAsync(1_300_000)
  expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300])
  loaded.tokenSaved(loaded.account)
  since = Date.now()
  fail()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(pauses.at(-1)).toBe(5)
  loaded.dispose()
  await vi.advanceTimersByTimeAsync(1_000_000)
  expect(pauses).toHaveLength(10)
  vi.useRealTimers()
})

test('a refresh token of a failed refresh and the one before survive a restart', () => {
  const loaded = loadedWith('rt-0')
  const inFile = loaded.account.fields.reveal()
  loaded.refreshTokenRecovered(new Secret('rt-0'), new Secret('rt-1'))
  const saved = fieldsForFile(inFile, loaded.account)
  const restarted = new LoadedAccount(accountOf(saved))
  expect(held(restarted)).toBe('rt-1')
  expect(restarted.formerTokenRestored(new Secret('rt-1'))).toBe(true)
  expect(held(restarted)).toBe('rt-0')
  expect(restarted.needsSaving).toBe(true)
})

test('the refresh token before is taken out of the file once the new one has worked', () => {
  const loaded = loadedWith('rt-0')
  const inFile = loaded.account.fields.reveal()
  loaded.refreshTokenRecovered(new Secret('rt-0'), new Secret('rt-1'))
  const saved = fieldsForFile(inFile, loaded.account)
  const restarted = new LoadedAccount(accountOf(saved))
  respond(restarted, 'rt-1')
  expect(restarted.needsSaving).toBe(true)
  const next = fieldsForFile(saved, restarted.account)
  expect(next).not.toHaveProperty('former_refresh_token')
  expect(next['refresh_token']).toBe('rt-1')
})
