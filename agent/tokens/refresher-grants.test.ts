import { expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import { defaultRequest, type RequestedToken, requestedToken } from './granted-scope.ts'
import { tokenByGrant } from './refresher.ts'

const provider = new ScriptedProvider()

function grant(fields: JsonObject, requested: RequestedToken): Promise<TokenResponse> {
  const account = accountOf({ name: 'robot', issuer_url: 'https://op.example/', ...fields })
  const readSubjectToken = (): Promise<Secret> => Promise.resolve(new Secret('of the job'))
  return tokenByGrant(
    account,
    requested,
    { provider, clientConfigs: withoutIssuerFiles, readSubjectToken },
    new AbortController().signal,
  )
}

test('a grant for no scopes and audience in particular asks for those of the account', async () => {
  const fields = { grant: 'client_credentials', auth_scope: 'a b', audience: 'ce' }
  await grant(fields, defaultRequest)
  expect(provider.grants.at(-1)).toEqual({
    grant: 'client_credentials',
    scope: 'a b',
    audience: 'ce',
  })
  await grant(fields, requestedToken('a', 'se'))
  expect(provider.grants.at(-1)).toEqual({
    grant: 'client_credentials',
    scope: 'a',
    audience: 'se',
  })
  await grant({ grant: 'client_credentials' }, defaultRequest)
  expect(provider.grants.at(-1)).toEqual({ grant: 'client_credentials' })
})

test('an account with a refresh token gets no token by another grant', async () => {
  await expect(grant({ refresh_token: 'rt' }, defaultRequest)).rejects.toMatchObject({
    code: 'internal',
  })
})
