import { afterEach, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import { AccountWriter } from '../accounts/account-writer.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import { silentLog } from '../log.ts'
import { subjectTokenReader } from '../oauth/subject-token.ts'
import { defaultRequest } from './granted-scope.ts'
import { Refresher } from './refresher.ts'
import { TokenService } from './token-service.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('a token that was obtained while the clock was ahead is not given out after its real expiry', async () => {
  let now = 2_000_000_000 + 3 * 3600
  let uptime = 5000
  const clock = { now: () => now * 1000, random: () => 0.5, uptime: () => uptime }
  vi.useFakeTimers({ now: now * 1000, toFake: ['Date'] })
  const provider = new ScriptedProvider()
  const parts = { provider, clientConfigs: withoutIssuerFiles, runtime: clock, log: silentLog }
  const writer = new AccountWriter({
    directory: () => undefined,
    derive: () => Promise.reject(new Error('no password is known here')),
    ...parts,
  })
  const readSubjectToken = subjectTokenReader({}, provider)
  const refresher = new Refresher({ ...parts, writer, readSubjectToken })
  const own = new TokenService({ ...parts, refresher })
  const account = accountOf({
    name: 'wlcg',
    issuer_url: 'https://op.example/',
    client_id: 'id',
    refresh_token: 'rt-0',
  })
  const loaded = new LoadedAccount(account)
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
