import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import { AccountWriter } from '../accounts/account-writer.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import type { IssuedToken } from '../accounts/token-cache.ts'
import { silentLog } from '../log.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import { subjectTokenReader } from '../oauth/subject-token.ts'
import { defaultRequest, requestedToken } from './granted-scope.ts'
import { Refresher } from './refresher.ts'
import { TokenService, tokenReply } from './token-service.ts'

const NOW = 1_000_000
const patient = new AbortController().signal

let provider: ScriptedProvider
let service: TokenService
let logged: string[]

beforeEach(() => {
  vi.useFakeTimers({ now: NOW * 1000 })
  provider = new ScriptedProvider()
  logged = []
  const runtime = { now: () => Date.now(), random: () => 0.5 }
  const log = {
    ...silentLog,
    debug: (line: string) => void logged.push(line),
    warn: (line: string) => void logged.push(`warning: ${line}`),
  }
  const parts = { provider, clientConfigs: withoutIssuerFiles, runtime, log }
  const writer = new AccountWriter({
    directory: () => Promise.resolve(undefined),
    derive: () => Promise.reject(new Error('no password is known here')),
    ...parts,
  })
  const readSubjectToken = subjectTokenReader({}, provider)
  const refresher = new Refresher({ ...parts, writer, readSubjectToken })
  service = new TokenService({ ...parts, refresher })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function load(more: JsonObject = {}): LoadedAccount {
  const fields = { name: 'wlcg', issuer_url: 'https://op.example/', refresh_token: 'rt-0' }
  return new LoadedAccount(accountOf({ ...fields, ...more }))
}

const loginResponse: TokenResponse = {
  accessToken: 'at of a login',
  expiresAt: NOW + 3600,
  scope: 'a',
  audience: undefined,
  refreshToken: undefined,
  refreshTokenExpiresAt: undefined,
  idToken: 'id token',
  clockSkewSeconds: undefined,
}

test.each([
  [600, 600, undefined],
  [600, 601, "the provider's tokens live 600 s, less than the 601 s asked for"],
  [5, 0, undefined],
  [5, 5, undefined],
  [5, 6, "the provider's tokens live 5 s, less than the 6 s asked for"],
])(
  'a token that lives %d s is reported to a caller that asks for %d s, new or cached, as %j',
  async (lifetime, minValidSeconds, differences) => {
    provider.lifetime = lifetime
    const loaded = load()
    const tokens = [
      await service.accessToken(loaded, defaultRequest, minValidSeconds, patient),
      await service.accessToken(loaded, defaultRequest, minValidSeconds, patient),
    ]
    expect(tokens.map((token) => token.differences)).toEqual([differences, differences])
    expect(provider.refreshes).toHaveLength(1)
  },
)

test('a token of unknown expiry is not reported as too short, and is not cached', async () => {
  provider.lifetime = undefined
  const loaded = load()
  const token = await service.accessToken(loaded, defaultRequest, 60, patient)
  expect(token).toMatchObject({ expiresAt: 0, differences: undefined })
  expect(loaded.tokens.size).toBe(0)
})

test('each ID token comes from a refresh of its own', async () => {
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await service.idToken(loaded, defaultRequest, patient)
  await service.idToken(loaded, defaultRequest, patient)
  expect(provider.refreshes).toHaveLength(3)
})

test('the token of a login is handed out with the published issuer, and cached', async () => {
  const loaded = load()
  const issued = await service.keep(loaded, defaultRequest, loginResponse)
  expect(issued).toEqual({
    accessToken: 'at of a login',
    issuer: 'https://published.example/',
    expiresAt: NOW + 3600,
    scope: 'a',
    idToken: 'id token',
    differences: undefined,
    notes: undefined,
  })
  const cached = await service.accessToken(loaded, defaultRequest, 0, patient)
  expect(cached.accessToken).toBe('at of a login')
  expect(provider.refreshes).toEqual([])
})

test('the published issuer is looked for once an account', async () => {
  const discover = vi.spyOn(provider, 'discover')
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, -1, patient)
  await service.accessToken(loaded, defaultRequest, -1, patient)
  expect(discover).toHaveBeenCalledTimes(1)
})

test('a refresh of an account that was removed is not sent', async () => {
  const loaded = load()
  loaded.dispose()
  await expect(service.accessToken(loaded, defaultRequest, -1, patient)).rejects.toMatchObject({
    code: 'account-not-loaded',
  })
  expect(provider.refreshes).toEqual([])
})

test('an agent that ends sends no refresh token any more', async () => {
  service.close()
  await expect(service.accessToken(load(), defaultRequest, 0, patient)).rejects.toThrow()
  expect(provider.refreshes).toEqual([])
  expect(service.awaited()).toEqual([])
})

test('responses are awaited until they have come', async () => {
  const release = provider.hold()
  const token = service.accessToken(load(), defaultRequest, 0, patient)
  await vi.waitFor(() => expect(provider.refreshes).toHaveLength(1))
  const order: string[] = []
  const answered = service.answered().then(() => order.push('answered'))
  order.push('released')
  release()
  await token
  await answered
  expect(order).toEqual(['released', 'answered'])
})

test('a grant that is repeated for each token is compared with the scopes of the account, a refresh is not', async () => {
  provider.grantedScope = 'a'
  const scopes = { auth_scope: 'a b' }
  const repeated = load({ ...scopes, grant: 'client_credentials' })
  expect(await service.accessToken(repeated, defaultRequest, 0, patient)).toMatchObject({
    differences: 'the provider did not grant the scope b',
  })
  expect(await service.accessToken(load(scopes), defaultRequest, 0, patient)).toMatchObject({
    differences: undefined,
  })
})

test('a renewal is logged, and so is why it fails', async () => {
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await service.accessToken(loaded, defaultRequest, 0, patient)
  provider.failure = new AgentError('network', 'could not connect to url: down')
  await vi.advanceTimersByTimeAsync(3_600_000)
  await service.settled()
  expect(logged).toEqual([
    'renewing a token of wlcg ahead of its expiry',
    'warning: could not renew a token of wlcg ahead of its expiry: could not connect to url: down',
  ])
})

test('a token that nobody has asked for again is not renewed', async () => {
  await service.accessToken(load(), defaultRequest, 0, patient)
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(provider.refreshes).toHaveLength(1)
})

test('a token that is renewed keeps the remaining life that its callers ask for', async () => {
  const loaded = load()
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await service.accessToken(loaded, defaultRequest, 1500, patient)
  await service.accessToken(loaded, defaultRequest, -1, patient)
  await service.accessToken(loaded, defaultRequest, 0, patient)
  expect(provider.refreshes).toHaveLength(2)
  // 1500 s and a twentieth of 3600 s before its end.
  await vi.advanceTimersByTimeAsync(1_919_000)
  expect(provider.refreshes).toHaveLength(2)
  await vi.advanceTimersByTimeAsync(2000)
  expect(provider.refreshes).toHaveLength(3)
})

test.each([
  ['cancelled', false, 'cancelled'],
  ['network', true, 'network'],
  ['cancelled', true, 'provider-timeout'],
] as const)(
  'an error %s of a refresh whose deadline has passed (%s) is reported as %s',
  async (code, hasPassed, reported) => {
    const failure = new AgentError(code, 'it failed')
    provider.failure = failure
    if (hasPassed) vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort())
    const error: unknown = await service
      .accessToken(load(), defaultRequest, 0, patient)
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: reported })
    expect(error instanceof Error && (error.cause ?? error)).toBe(failure)
  },
)

test('an error of a refresh that is none of the agent’s kind is passed on, whenever it comes', async () => {
  const loaded = load()
  const fault = new TypeError('a fault of ours')
  vi.spyOn(provider, 'discover').mockRejectedValue(fault)
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort())
  await expect(service.accessToken(loaded, defaultRequest, 0, patient)).rejects.toBe(fault)
})

test('a refresh whose new refresh token could not be saved waits as long as a token lives more than 10 s', async () => {
  // Its account file cannot be found: there is no config directory.
  provider.rotates = true
  const fileKey = new Secret({ salt: Buffer.alloc(16, 1), bytes: Buffer.alloc(64, 2) })
  const loaded = new LoadedAccount(load().account, { fileKey })
  const first = await service.accessToken(loaded, defaultRequest, 0, patient)
  expect(provider.refreshes).toHaveLength(1)
  const kept = await service.accessToken(loaded, defaultRequest, -1, patient)
  expect(kept).toMatchObject({ accessToken: first.accessToken, expiresAt: NOW + 3600 })
  expect(kept.notes).toContain('wlcg')
  await vi.advanceTimersByTimeAsync(3_589_000)
  await service.accessToken(loaded, defaultRequest, -1, patient)
  expect(provider.refreshes).toHaveLength(1)
  await service.idToken(loaded, defaultRequest, patient)
  expect(provider.refreshes).toHaveLength(2)
})

test('a refresh is sent, whether or not its refresh token can be saved, if the token lives 10 s or less', async () => {
  provider.rotates = true
  const fileKey = new Secret({ salt: Buffer.alloc(16, 1), bytes: Buffer.alloc(64, 2) })
  const loaded = new LoadedAccount(load().account, { fileKey })
  await service.accessToken(loaded, defaultRequest, 0, patient)
  await vi.advanceTimersByTimeAsync(3_590_000)
  await service.accessToken(loaded, defaultRequest, -1, patient)
  expect(provider.refreshes).toHaveLength(2)
})

test('a reply has whole seconds, and what is to be said about the token', () => {
  const token: IssuedToken = {
    accessToken: 'at',
    issuer: 'https://published.example/',
    expiresAt: 7.9,
    scope: 'a',
    idToken: undefined,
    differences: 'less',
    notes: 'unsaved',
  }
  const loaded = load({ refresh_token_expires_at: 17 })
  expect(tokenReply(token, loaded)).toStrictEqual({
    status: 'success',
    access_token: 'at',
    issuer: 'https://published.example/',
    expires_at: 7,
    scope: 'a',
    info: 'less\nunsaved',
    refresh_token_expires_at: 17,
    login_expired: undefined,
  })
})

test('a reply says that the login has ended', async () => {
  const loaded = load()
  const token = await service.accessToken(loaded, requestedToken('a', undefined), 0, patient)
  provider.valid = 'another one'
  await service.accessToken(loaded, defaultRequest, -1, patient).catch(() => undefined)
  expect(tokenReply(token, loaded)).toMatchObject({ login_expired: true })
})
