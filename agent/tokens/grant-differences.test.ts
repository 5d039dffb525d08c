import { expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import {
  assertGranted,
  clockWarning,
  compareGrant,
  compareLoginGrant,
  missingScopes,
  requestedToken,
  scopesBeyondGrant,
} from './granted-scope.ts'

const response: TokenResponse = {
  accessToken: 'token',
  expiresAt: 3600,
  scope: undefined,
  audience: undefined,
  refreshToken: undefined,
  refreshTokenExpiresAt: undefined,
  idToken: undefined,
  clockSkewSeconds: undefined,
}

test('a token that differs from the request is an error that names the differences', () => {
  assertGranted({ differences: undefined })
  expect(() => assertGranted({ differences: 'less' })).toThrow(
    expect.objectContaining({
      code: 'not-as-asked',
      message: 'the token is not what was asked for: less',
    }),
  )
})

test('a difference names every scope and every audience that was not granted', () => {
  const granted = { ...response, scope: 'a', audience: ['x', 'w'] }
  expect(compareGrant(requestedToken('a b c', 'x y z'), granted)).toBe(
    'the provider did not grant the scope b c\n' +
      'the token is not for the audience y z but for x w',
  )
})

test('a login that did not grant the identity scopes is no difference', () => {
  const scope = 'openid profile email address phone storage.read:/'
  const account = accountOf({ name: 'a', issuer_url: 'https://op.example', auth_scope: scope })
  expect(compareLoginGrant(account, { ...response, scope: 'storage.read:/' })).toBeUndefined()
  expect(compareLoginGrant(account, { ...response, scope: 'other' })).toBe(
    'the provider did not grant the scope storage.read:/',
  )
})

test.each([
  [undefined, undefined],
  [0, undefined],
  [60, undefined],
  [-60, undefined],
  [60.6, '61 s ahead of'],
  [-61, '61 s behind'],
])('a clock that is %d s ahead of the provider is warned about as %j', (skew, part) => {
  const warning = clockWarning({ ...response, clockSkewSeconds: skew })
  expect(warning).toBe(
    part &&
      `this machine's clock is ${part} the provider's: correct it, or services will refuse the token`,
  )
})

test.each([
  ['wlcg.groups:/x', 'wlcg.groups', []],
  ['wlcg.groups:/x', 'openid', ['wlcg.groups:/x']],
  ['wlcg.groupsx wlcg.other:/x', 'wlcg.groups', ['wlcg.groupsx', 'wlcg.other:/x']],
])('the scopes %s are beyond a login with %s in %j', (asked, granted, beyond) => {
  expect(scopesBeyondGrant(asked.split(' '), granted)).toEqual(beyond)
})

test.each([
  ['storage.read:/a/b', 'storage.read:/a', true],
  ['storage.read:a/b', 'storage.read:a', true],
  ['storage.read:ab', 'storage.read:b', false],
  ['storage.read:/a', 'storage.read', false],
  ['storage.read', 'storage.read:/', false],
  [':storage', ':', false],
])('whether the scope %s is covered by %s: %s', (asked, granted, isCovered) => {
  expect(missingScopes([asked], granted)).toEqual(isCovered ? [] : [asked])
})
