import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../protocol/wire/messages.ts'
import type { TokenResponse } from './provider.ts'
import { checkableMembers, tokenResponseOf } from './token-response.ts'

const NOW = 1_800_000_000
/** The exchange took two seconds. */
const times = { sentAt: NOW * 1000 + 500, receivedAt: (NOW + 2) * 1000 + 500 }

function jwt(payload: JsonObject): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'ES256' })}.${part(payload)}.c2lnbmF0dXJl`
}

function respond(content: JsonObject, headers: Record<string, string> = {}): TokenResponse {
  const tokens = {
    access_token: 'opaque',
    ...checkableMembers({ access_token: 'opaque', ...content }),
  }
  return tokenResponseOf(
    tokens,
    content,
    { url: new URL('https://op.example/token'), status: 200, headers, body: '' },
    times,
  )
}

describe('the expiry of an access token', () => {
  test.each<[string, JsonObject, number | undefined]>([
    ['expires_in counts from the request', { expires_in: 3600 }, NOW + 3600],
    ['expires_in as a string', { expires_in: '60' }, NOW + 60],
    ['a negative expires_in', { expires_in: -1 }, undefined],
    ['a malformed expires_in', { expires_in: 'soon' }, undefined],
    ['no expires_in, but the exp of a JWT', { access_token: jwt({ exp: NOW + 5 }) }, NOW + 5],
    [
      'a JWT issued during the exchange',
      { access_token: jwt({ exp: NOW + 10 }), expires_in: 9 },
      NOW + 10,
    ],
    [
      'a JWT of a clock that is ahead',
      { access_token: jwt({ exp: NOW + 12 }), expires_in: 9 },
      NOW + 9,
    ],
    ['a JWT of a clock that is behind', { access_token: jwt({ exp: 1 }), expires_in: 9 }, NOW + 9],
    [
      'a JWT that lives shorter than expires_in says, by a clock that is behind',
      { access_token: jwt({ iat: 1000, exp: 1060 }), expires_in: 3600 },
      NOW + 60,
    ],
    [
      'a JWT that lives longer than expires_in says',
      { access_token: jwt({ iat: NOW - 60, exp: NOW + 3600 }), expires_in: 9 },
      NOW + 9,
    ],
    ['an opaque token without expires_in', {}, undefined],
  ])('the expiry of an access token: %s', (_what, content, expiresAt) => {
    expect(respond(content).expiresAt).toBe(expiresAt)
  })
})

describe('the expiry of a refresh token', () => {
  test.each<[string, JsonObject, number | undefined]>([
    ['refresh_expires_in of Keycloak', { refresh_expires_in: 1800 }, NOW + 1800],
    ['refresh_expires_in 0 means never', { refresh_expires_in: 0 }, undefined],
    ['refresh_token_expires_in', { refresh_token_expires_in: '60' }, NOW + 60],
    ['a JWT, as from IAM', { refresh_token: jwt({ exp: NOW + 7 }) }, NOW + 7],
    [
      'refresh_expires_in precedes the JWT',
      { refresh_token: jwt({ exp: 1 }), refresh_expires_in: 9 },
      NOW + 9,
    ],
    ['exp 0 of Keycloak means never', { refresh_token: jwt({ exp: 0 }) }, undefined],
    ['an opaque token without a lifetime', { refresh_token: 'opaque' }, undefined],
    ['no refresh token', {}, undefined],
  ])('the expiry of a refresh token: %s', (_what, content, expiresAt) => {
    expect(respond(content).refreshTokenExpiresAt).toBe(expiresAt)
  })
})

describe('scope and audience of an access token', () => {
  test.each<[JsonObject, string | undefined]>([
    [{ scope: 'a b' }, 'a b'],
    [{ access_token: jwt({ scope: 'c d' }) }, 'c d'],
    [{ access_token: jwt({ scope: ['c', 'd'] }) }, 'c d'],
    [{ access_token: jwt({ scope: 'c' }), scope: 'a' }, 'a'],
    [{ scope: ['a'] }, undefined],
    [{}, undefined],
  ])('the scope of the token response %j is %s', (content, scope) => {
    expect(respond(content).scope).toBe(scope)
  })

  test.each<[JsonValue, readonly string[]]>([
    ['ce.example.org:9619', ['ce.example.org:9619']],
    [
      ['a', 7, 'b'],
      ['a', 'b'],
    ],
    [null, []],
  ])('the claim aud %j is read as the audience %j', (aud, audience) => {
    expect(respond({ access_token: jwt({ aud }) }).audience).toEqual(audience)
  })

  test('the audience of an opaque token is unknown, that of a JWT without aud is empty', () => {
    expect(respond({ access_token: 'opaque' }).audience).toBeUndefined()
    expect(respond({ access_token: jwt({}) }).audience).toEqual([])
  })
})

test('an empty refresh or ID token is dropped', () => {
  expect(respond({ refresh_token: '', id_token: '' })).toMatchObject({
    refreshToken: undefined,
    idToken: undefined,
  })
})

test.each([
  ['Fri, 15 Jan 2027 08:00:02 GMT', 0],
  ['Fri, 15 Jan 2027 07:58:02 GMT', 120],
  ['Fri, 15 Jan 2027 08:01:02 GMT', -60],
  ['yesterday', undefined],
])('the Date header %s means a clock skew of %s seconds', (date, skew) => {
  expect(respond({}, { date }).clockSkewSeconds).toBe(skew)
})

test('malformed members do not lose the tokens of a response', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (odd) => {
      const content = { ...(odd as JsonObject), access_token: 'at', refresh_token: 'rt' }
      expect(checkableMembers(content)).toMatchObject({
        access_token: 'at',
        refresh_token: 'rt',
        token_type: 'Bearer',
      })
    }),
  )
})

test.each(['', 'with\nan end of line', 'caf\u00e9', 'nul\u0000', 7, null])(
  'a token response with %j in place of a token has no token',
  (value) => {
    expect(checkableMembers({ access_token: value, refresh_token: value })).toEqual({
      token_type: 'Bearer',
    })
  },
)
