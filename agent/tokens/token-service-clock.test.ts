import { afterEach, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import { AccountWriter } from '../accounts/account-writer.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import type { Runtime } from '../concurrency.ts'
import { silentLog } from '../log.ts'
import { subjectTokenReader } from '../oauth/subject-token.ts'
import { defaultRequest } from './granted-scope.ts'
import { Refresher } from './refresher.ts'
import { TokenService } from './token-service.ts'

afterEach(() => {
  vi.useRealTimers()
})

function serviceOf(provider: ScriptedProvider, runtime: Runtime): TokenService {
  const parts = { provider, clientConfigs: withoutIssuerFiles, runtime, log: silentLog }
  const writer = new AccountWriter({
    directory: () => Promise.resolve(undefined),
    derive: () => Promise.reject(new Error('no password is known here')),
    ...parts,
  })
  const readSubjectToken = subjectTokenReader({}, provider)
  return new TokenService({
    ...parts,
    refresher: new Refresher({ ...parts, writer, readSubjectToken }),
  })
}

function load(): LoadedAccount {
  const account = accountOf({
    name: 'wlcg',
    issuer_url: 'https://op.example/',
    client_id: 'id',
    refresh_token: 'rt-0',
  })
  return new LoadedAccount(account)
}

test('a token that was obtained while the clock was ahead is not given out after its real expiry', async () => {
  let now = 2_000_000_000 + 3 * 3600
  let uptime = 5000
  const clock = { now: () => now * 1000, random: () => 0.5, uptime: () => uptime }
  vi.useFakeTimers({ now: now * 1000, toFake: ['Date'] })
  const own = serviceOf(new ScriptedProvider(), clock)
  const loaded = load()
  const first = await own.accessToken(loaded, defaultRequest, 0, new AbortController().signal)
  expect(first.expiresAt).toBe(now + 3600)
  now -= 3 * 3600
  const corrected = await own.accessToken(loaded, defaultRequest, 0, new AbortController().signal)
  expect(corrected.accessToken).toBe(first.accessToken)
  expect(corrected.expiresAt).toBe(now + 3600)
  now += 3595
  uptime += 3595
  const later = await own.accessToken(loaded, defaultRequest, 0, new AbortController().signal)
  expect(later.accessToken).not.toBe(first.accessToken)
})

test('the end of the agent waits 20 s for a late response, and then names its account', async () => {
  vi.useFakeTimers()
  const provider = new ScriptedProvider()
  provider.refreshTokenGrant = (_client, { recovery }) => {
    recovery?.late?.(new Promise(() => undefined))
    return Promise.reject(new AgentError('provider-timeout', 'no response within 15 s'))
  }
  const own = serviceOf(provider, { now: Date.now, random: () => 0.5 })
  const signal = new AbortController().signal
  await expect(own.accessToken(load(), defaultRequest, 0, signal)).rejects.toMatchObject({
    code: 'provider-timeout',
  })
  let isOver = false
  const settled = own.settled().then(() => {
    isOver = true
  })
  await vi.advanceTimersByTimeAsync(19_999)
  expect(isOver).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  await settled
  expect(own.awaited()).toEqual(['wlcg'])
})
