import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { AccountDirectory } from '../../protocol/storage/account-directory.ts'
import {
  type FileKey,
  openAccountFile,
  sealAccountFile,
} from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import { AccountWriter } from '../accounts/account-writer.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import { silentLog } from '../log.ts'
import { subjectTokenReader } from '../oauth/subject-token.ts'
import { defaultRequest, requestedToken } from './granted-scope.ts'
import { PARALLEL_REFRESHES_PER_ISSUER, Refresher } from './refresher.ts'
import { TokenService } from './token-service.ts'

const runtime = { now: () => Date.now(), random: () => 0.5 }
const patient = new AbortController().signal
const key: FileKey = { salt: Buffer.alloc(16, 1), bytes: Buffer.alloc(64, 2) }
const fields: JsonObject = {
  name: 'wlcg',
  issuer_url: 'https://op.example/',
  client_id: 'id',
  refresh_token: 'rt-0',
  kept: 'unknown key',
}

let home: string
let directory: AccountDirectory
let provider: ScriptedProvider
let service: TokenService

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'token-service-'))
  directory = new AccountDirectory(home)
  provider = new ScriptedProvider()
  service = newService()
})

/** The tokens of one agent: each has its own, with the same files and the same provider. */
function newService(): TokenService {
  const writer = new AccountWriter({
    directory: () => Promise.resolve(directory),
    derive: () => Promise.reject(new Error('no password is known here')),
    runtime,
    log: silentLog,
  })
  return new TokenService({
    refresher: new Refresher({
      provider,
      clientConfigs: withoutIssuerFiles,
      writer,
      readSubjectToken: subjectTokenReader({}, provider),
    }),
    provider,
    clientConfigs: withoutIssuerFiles,
    runtime,
    log: silentLog,
  })
}

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  rmSync(home, { recursive: true })
})

function load(): LoadedAccount {
  return new LoadedAccount(accountOf(fields), { fileKey: new Secret(key) })
}

async function refreshTokenInFile(): Promise<unknown> {
  return (await openAccountFile(await directory.read('wlcg'), key))['refresh_token']
}

test('the provider is asked once for one scope and audience', async () => {
  const loaded = load()
  const first = await service.accessToken(loaded, requestedToken('a b', 'x'), 0, patient)
  const again = await service.accessToken(loaded, requestedToken('b  a', 'x'), 0, patient)
  expect(again.accessToken).toBe(first.accessToken)
  expect(again.issuer).toBe('https://published.example/')
  expect(provider.refreshes).toHaveLength(1)
  await service.accessToken(loaded, requestedToken('a', 'x'), 0, patient)
  expect(provider.refreshes).toHaveLength(2)
})

test('50 clients that request one token at once cause one refresh', async () => {
  const loaded = load()
  const tokens = await Promise.all(
    Array.from({ length: 50 }, () =>
      service.accessToken(loaded, requestedToken('a', 'x'), 0, patient),
    ),
  )
  expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1)
  expect(provider.refreshes).toHaveLength(1)
})

test('a min_valid_period of -1 refreshes although a token is cached, and caches the new one', async () => {
  const loaded = load()
  const first = await service.accessToken(loaded, defaultRequest, 0, patient)
  const forced = await service.accessToken(loaded, defaultRequest, -1, patient)
  expect(forced.accessToken).not.toBe(first.accessToken)
  expect((await service.accessToken(loaded, defaultRequest, 0, patient)).accessToken).toBe(
    forced.accessToken,
  )
})

test('each token has its own expiry', async () => {
  const loaded = load()
  const now = Date.now() / 1000
  provider.lifetime = 60
  const short = await service.accessToken(loaded, requestedToken('a', undefined), 0, patient)
  provider.lifetime = 3600
  const long = await service.accessToken(loaded, requestedToken('b', undefined), 0, patient)
  expect(short.expiresAt - now).toBeLessThan(70)
  expect(long.expiresAt - now).toBeGreaterThan(3500)
})

test('a token of unknown expiry is handed out once', async () => {
  const loaded = load()
  provider.lifetime = undefined
  const first = await service.accessToken(loaded, defaultRequest, 0, patient)
  expect(first.expiresAt).toBe(0)
  await service.accessToken(loaded, defaultRequest, 0, patient)
  expect(provider.refreshes).toHaveLength(2)
})

test('a token that lives shorter than requested is reported, and does not cause a refresh each time', async () => {
  const loaded = load()
  provider.lifetime = 600
  const first = await service.accessToken(loaded, defaultRequest, 3600, patient)
  const second = await service.accessToken(loaded, defaultRequest, 3600, patient)
  expect(first.differences).toContain('600 s, less than the 3600 s asked for')
  expect(second.differences).toContain('600 s, less than the 3600 s asked for')
  expect(provider.refreshes).toHaveLength(1)
})

test('a difference between request and grant is reported each time', async () => {
  const loaded = load()
  provider.grantedScope = 'a'
  for (let time = 0; time < 2; time += 1) {
    const { differences } = await service.accessToken(
      loaded,
      requestedToken('a b', undefined),
      0,
      patient,
    )
    expect(differences).toBe('the provider did not grant the scope b')
  }
})

test('providers that do not rotate refresh tokens are asked in parallel, up to a limit', async () => {
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await Promise.all(
    Array.from({ length: 2 * PARALLEL_REFRESHES_PER_ISSUER }, (_, index) =>
      service.accessToken(loaded, requestedToken(undefined, `ce${index}`), 0, patient),
    ),
  )
  expect(provider.mostAtOnce).toBe(PARALLEL_REFRESHES_PER_ISSUER)
})

test('many requests for a fresh account run in parallel after the first response', async () => {
  const loaded = load()
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      service.accessToken(loaded, requestedToken(undefined, `ce${index}`), 0, patient),
    ),
  )
  expect(provider.mostAtOnce).toBe(19)
})

test('rotating refresh tokens are used one at a time, each once, and are in the account file before the reply', async () => {
  await directory.write('wlcg', await sealAccountFile(fields, key))
  provider.rotates = true
  const loaded = load()
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      await service.accessToken(loaded, requestedToken(undefined, `ce${index}`), 0, patient)
      expect(provider.issued).toContain(await refreshTokenInFile())
    }),
  )
  expect(provider.mostAtOnce).toBe(1)
  expect(new Set(provider.refreshes).size).toBe(20)
  expect(await refreshTokenInFile()).toBe('rt-20')
  const inFile = await openAccountFile(await directory.read('wlcg'), key)
  expect(inFile['kept']).toBe('unknown key')
})

test('two agents with one account file never send a refresh token twice', async () => {
  await directory.write('wlcg', await sealAccountFile(fields, key))
  provider.rotates = true
  await Promise.all(
    [newService(), newService()].map(async (agent) => {
      const loaded = load()
      for (let round = 0; round < 10; round += 1) {
        await agent.accessToken(loaded, defaultRequest, -1, patient)
      }
    }),
  )
  expect(new Set(provider.refreshes).size).toBe(20)
  expect(await refreshTokenInFile()).toBe('rt-20')
})

test('a refresh waits while a command works on the account file, and then uses its refresh token', async () => {
  await directory.write('wlcg', await sealAccountFile(fields, key))
  provider.rotates = true
  const token = await directory.locked('wlcg', patient, async () => {
    const pending = service.accessToken(load(), defaultRequest, 0, patient)
    await directory.write('wlcg', await sealAccountFile({ ...fields, refresh_token: 'new' }, key))
    return { pending }
  })
  await token.pending
  expect(provider.refreshes).toEqual(['new'])
})

test('a refresh token that another agent wrote into the account file is used when the agent’s own is refused', async () => {
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  provider.valid = 'rt-other'
  await directory.write(
    'wlcg',
    await sealAccountFile({ ...fields, refresh_token: 'rt-other' }, key),
  )
  await service.accessToken(loaded, defaultRequest, -1, patient)
  expect(provider.refreshes).toEqual(['rt-0', 'rt-0', 'rt-other'])
  expect(loaded.loginExpired).toBe(false)
})

test('a refresh token that another agent wrote into the account file is used at once where tokens may rotate', async () => {
  provider.rotates = true
  const loaded = load()
  provider.valid = 'rt-other'
  await directory.write(
    'wlcg',
    await sealAccountFile({ ...fields, refresh_token: 'rt-other' }, key),
  )
  const token = await service.accessToken(loaded, defaultRequest, 0, patient)
  expect(token.accessToken).toBeDefined()
  expect(provider.refreshes).toEqual(['rt-other'])
  expect(loaded.loginExpired).toBe(false)
})

test('a dead refresh token is reported as such, with the command for a new login', async () => {
  const loaded = load()
  provider.valid = 'another'
  const error: unknown = await service
    .accessToken(loaded, defaultRequest, 0, patient)
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AgentError)
  expect(error).toMatchObject({
    code: 'refresh-token-dead',
    hint: expect.stringContaining('oidc-gen wlcg --reauthenticate') as string,
  })
  expect(loaded.loginExpired).toBe(true)
})

test('an account without a refresh token causes no request to the provider', async () => {
  const loaded = new LoadedAccount(accountOf({ ...fields, refresh_token: '' }))
  await expect(service.accessToken(loaded, defaultRequest, 0, patient)).rejects.toMatchObject({
    code: 'no-refresh-token',
  })
  expect(provider.refreshes).toHaveLength(0)
})

test('a new refresh token that cannot be saved is kept, used, reported, and saved when that is possible', async () => {
  await directory.write('wlcg', await sealAccountFile(fields, key))
  provider.rotates = true
  const loaded = load()
  loaded.fileOpened({ salt: key.salt, bytes: Buffer.alloc(64, 9) })
  const { notes } = await service.accessToken(loaded, defaultRequest, 0, patient)
  expect(notes).toContain("the new refresh token of wlcg is only in the agent's memory")
  await service.accessToken(loaded, requestedToken('a', undefined), 0, patient)
  expect(provider.refreshes).toEqual(['rt-0', 'rt-1'])
  loaded.fileOpened(key)
  const later = await service.accessToken(loaded, requestedToken('b', undefined), 0, patient)
  expect(later.notes).toBeUndefined()
  expect(await refreshTokenInFile()).toBe('rt-3')
})

test('a new refresh token is reported as unsaved with each token while its account file is missing', async () => {
  provider.rotates = true
  const loaded = load()
  const note = `the new refresh token of wlcg is only in the agent's memory: there is no file ${home}/wlcg`
  expect((await service.accessToken(loaded, defaultRequest, 0, patient)).notes).toBe(note)
  expect((await service.accessToken(loaded, defaultRequest, 0, patient)).notes).toBe(note)
  await directory.write('wlcg', await sealAccountFile(fields, key))
  expect((await service.accessToken(loaded, defaultRequest, -1, patient)).notes).toBeUndefined()
  expect(await refreshTokenInFile()).toBe('rt-2')
})

test('a client that disconnects ends its own wait only', async () => {
  const loaded = load()
  const impatient = new AbortController()
  const left = service.accessToken(loaded, defaultRequest, 0, impatient.signal)
  const stays = service.accessToken(loaded, defaultRequest, 0, patient)
  impatient.abort(new AgentError('cancelled', 'gone'))
  await expect(left).rejects.toMatchObject({ code: 'cancelled' })
  expect((await stays).accessToken).toBeDefined()
  expect(provider.refreshes).toHaveLength(1)
})

test('a client that has disconnected before its reply leaves no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const record = (reason: unknown): unknown => unhandled.push(reason)
  process.on('unhandledRejection', record)
  provider.failure = new AgentError('network', 'could not connect to url: down')
  const gone = AbortSignal.abort(new AgentError('cancelled', 'gone'))
  const left = service.accessToken(load(), defaultRequest, 0, gone)
  await expect(left).rejects.toMatchObject({ code: 'cancelled' })
  // Not with settled(), which would handle the rejection.
  for (let turn = 0; turn < 10; turn += 1) await nextTurn()
  process.off('unhandledRejection', record)
  expect(unhandled).toEqual([])
})

test('a refresh that reaches the agent’s own deadline is a provider timeout, not a cancellation', async () => {
  const passed = AbortSignal.abort(new DOMException('timed out', 'TimeoutError'))
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(passed)
  provider.failure = new AgentError('cancelled', 'the request was cancelled')
  const withoutFile = new LoadedAccount(accountOf(fields))
  await expect(service.accessToken(withoutFile, defaultRequest, 0, patient)).rejects.toMatchObject({
    code: 'provider-timeout',
    message: 'https://op.example/ gave no token for wlcg within 20 s',
  })
})

test('a failed refresh leaves the cached tokens usable and is tried again by the next request', async () => {
  const loaded = load()
  const first = await service.accessToken(loaded, defaultRequest, 0, patient)
  provider.failure = new AgentError('network', 'could not connect to url: down')
  await expect(service.accessToken(loaded, defaultRequest, -1, patient)).rejects.toThrow('down')
  expect((await service.accessToken(loaded, defaultRequest, 0, patient)).accessToken).toBe(
    first.accessToken,
  )
  provider.failure = undefined
  await service.accessToken(loaded, defaultRequest, -1, patient)
})

test('a token in use is renewed ahead of its expiry, so that its caller never waits', async () => {
  vi.useFakeTimers({ now: 1_000_000 })
  provider.lifetime = 600
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await vi.advanceTimersByTimeAsync(570_000)
  expect(provider.refreshes).toHaveLength(2)
  const token = await service.accessToken(loaded, defaultRequest, 60, patient)
  expect(provider.refreshes).toHaveLength(2)
  expect(token.expiresAt).toBeGreaterThan(1600)
})

test('tokens of an account that was removed are not renewed', async () => {
  vi.useFakeTimers({ now: 1_000_000 })
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await service.accessToken(loaded, defaultRequest, 0, patient)
  loaded.dispose()
  await vi.advanceTimersByTimeAsync(4_000_000)
  expect(provider.refreshes).toHaveLength(1)
})

test('a renewal that fails does no harm: the next request refreshes', async () => {
  vi.useFakeTimers({ now: 1_000_000 })
  provider.lifetime = 600
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await service.accessToken(loaded, defaultRequest, 0, patient)
  provider.failure = new AgentError('network', 'could not connect to url: down')
  await vi.advanceTimersByTimeAsync(600_000)
  await service.settled()
  expect(provider.refreshes).toHaveLength(2)
  provider.failure = undefined
  expect((await service.accessToken(loaded, defaultRequest, 0, patient)).expiresAt).toBe(2200)
})

test('a token that is no longer cached is not renewed', async () => {
  vi.useFakeTimers({ now: 1_000_000 })
  provider.lifetime = 600
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await service.accessToken(loaded, defaultRequest, 0, patient)
  loaded.tokens.clear()
  await vi.advanceTimersByTimeAsync(600_000)
  await service.settled()
  expect(provider.refreshes).toHaveLength(1)
})
