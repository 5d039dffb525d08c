import { expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import { clockWarning, compareGrant, compareLoginGrant, requestedToken } from './granted-scope.ts'

function response(change: Partial<TokenResponse>): TokenResponse {
  return {
    accessToken: 'token',
    expiresAt: 3600,
    scope: undefined,
    audience: undefined,
    refreshToken: undefined,
    refreshTokenExpiresAt: undefined,
    idToken: undefined,
    clockSkewSeconds: undefined,
    ...change,
  }
}

test.each<
  [
    string,
    [scope?: string | undefined, audience?: string],
    Partial<TokenResponse>,
    string | undefined,
  ]
>([
  ['no difference if the response names neither scope nor audience', ['a b', 'x'], {}, undefined],
  [
    'no difference if everything was granted',
    ['a b', 'x'],
    { scope: 'b a c', audience: ['x', 'y'] },
    undefined,
  ],
  [
    'a scope that was not granted',
    ['a b'],
    { scope: 'a' },
    'the provider did not grant the scope b',
  ],
  [
    'no difference for offline_access, which is not a scope of access tokens',
    ['a offline_access'],
    { scope: 'a' },
    undefined,
  ],
  [
    'another audience than the requested one',
    [undefined, 'x'],
    { audience: ['any'] },
    'the token is not for the audience x but for any',
  ],
  [
    'a token without an audience',
    [undefined, 'x y'],
    { audience: [] },
    'the token is not for the audience x y: it names none',
  ],
  ['no difference if no audience was requested', [], { audience: [] }, undefined],
])('a grant is compared with its request: %s', (_, [scope, audience], change, expected) => {
  expect(compareGrant(requestedToken(scope, audience), response(change))).toBe(expected)
})

test('the grant of a login is compared with the scopes and audience of the account, without identity scopes', () => {
  const account = accountOf({
    ...{ name: 'wlcg', issuer_url: 'https://op.example/', audience: 'https://se.example' },
    auth_scope: 'openid profile offline_access storage.read:/ compute.read',
  })
  const audience = ['https://se.example']
  expect(compareLoginGrant(account, response({ scope: 'storage.read:/a', audience: [] }))).toBe(
    'the provider did not grant the scope storage.read:/ compute.read\nthe token is not for the audience https://se.example: it names none',
  )
  const scope = 'compute.read storage.read:/'
  expect(compareLoginGrant(account, response({ scope, audience }))).toBeUndefined()
})

test('a clock that differs by more than a minute from the provider’s is reported, with its direction', () => {
  expect(clockWarning(response({ clockSkewSeconds: 240.4 }))).toContain('240 s ahead of')
  expect(clockWarning(response({ clockSkewSeconds: -61 }))).toContain('61 s behind')
  expect(clockWarning(response({ clockSkewSeconds: -59 }))).toBeUndefined()
  expect(clockWarning(response({}))).toBeUndefined()
})

test('every difference of a grant has its own line', () => {
  const text = compareGrant(requestedToken('a b', 'x'), response({ scope: 'a', audience: ['y'] }))
  expect(text?.split('\n')).toHaveLength(2)
})
