import { beforeEach, describe, expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import { withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import { AccountWriter } from '../accounts/account-writer.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import { silentLog } from '../log.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import { subjectTokenReader } from '../oauth/subject-token.ts'
import { defaultRequest } from './granted-scope.ts'
import { Refresher } from './refresher.ts'

const patient = new AbortController().signal
const fields = { name: 'wlcg', issuer_url: 'https://op.example/', refresh_token: 'rt-0' }

/** A provider that answers each refresh with the next entry of a script. */
class Script extends ScriptedProvider {
  readonly #answers: (() => Promise<TokenResponse>)[]

  constructor(answers: (() => Promise<TokenResponse>)[]) {
    super()
    this.#answers = answers
  }

  override refreshTokenGrant(): Promise<TokenResponse> {
    const answer = this.#answers.shift()
    return answer === undefined ? Promise.reject(new Error('asked too often')) : answer()
  }
}

let loaded: LoadedAccount

beforeEach(() => {
  loaded = new LoadedAccount(accountOf(fields), {})
})

function refresh(...answers: (() => Promise<TokenResponse>)[]): Promise<TokenResponse> {
  const writer = new AccountWriter({
    directory: () => Promise.resolve(undefined),
    derive: () => Promise.reject(new Error('no password is known here')),
    runtime: { now: Date.now, random: () => 0 },
    log: silentLog,
  })
  const provider = new Script(answers)
  const refresher = new Refresher({
    provider,
    clientConfigs: withoutIssuerFiles,
    writer,
    readSubjectToken: subjectTokenReader({}, provider),
  })
  return refresher.refresh(loaded, defaultRequest, patient)
}

function fails(code: ErrorCode): () => Promise<TokenResponse> {
  return () => Promise.reject(new AgentError(code, `failed: ${code}`))
}

/** A refusal while another refresh brings a new refresh token. */
function refusedMeanwhile(): Promise<TokenResponse> {
  loaded.restored(accountOf({ ...fields, refresh_token: 'rt-1' }))
  return fails('refresh-token-dead')()
}

const answer: TokenResponse = {
  accessToken: 'at',
  expiresAt: undefined,
  scope: undefined,
  audience: undefined,
  refreshToken: undefined,
  refreshTokenExpiresAt: undefined,
  idToken: undefined,
  clockSkewSeconds: undefined,
}

describe('a refused refresh token', () => {
  test('a refused refresh token that was replaced in between is tried again with the new one, once', async () => {
    const tried = refresh(refusedMeanwhile, () => Promise.resolve(answer))
    expect(await tried).toBe(answer)
    expect(loaded.loginExpired).toBe(false)
  })

  test('a login has ended if the new refresh token is refused as well', async () => {
    const tried = refresh(refusedMeanwhile, fails('refresh-token-dead'))
    await expect(tried).rejects.toMatchObject({
      code: 'refresh-token-dead',
      hint: expect.stringContaining('wlcg') as string,
    })
    expect(loaded.loginExpired).toBe(true)
  })

  test('a login has not ended if the second try fails for another reason', async () => {
    await expect(refresh(refusedMeanwhile, fails('network'))).rejects.toMatchObject({
      code: 'network',
    })
    expect(loaded.loginExpired).toBe(false)
  })
})

test('the expiry of the refresh token is remembered if the provider names it', async () => {
  await refresh(() => Promise.resolve({ ...answer, refreshTokenExpiresAt: 1_900_000_000 }))
  expect(loaded.account.fields.reveal()['refresh_token_expires_at']).toBe(1_900_000_000)
})

test('an error that is not the provider’s is passed on unchanged', async () => {
  await expect(refresh()).rejects.toThrow('asked too often')
})
