import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../protocol/wire/messages.ts'
import type { TokenResponse } from './provider.ts'
import { readTokenContent, tokenResponseOf } from './token-response.ts'

const NOW = 1_800_000_000
/** The answer took two seconds. */
const asked = { sentAt: NOW * 1000 + 500, receivedAt: (NOW + 2) * 1000 + 500 }

function jwt(payload: JsonObject): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'ES256' })}.${part(payload)}.c2lnbmF0dXJl`
}

function respond(content: JsonObject, headers: Record<string, string> = {}): TokenResponse {
  const tokens = {
    access_token: 'opaque',
    ...readTokenContent({ access_token: 'opaque', ...content }),
  }
  return tokenResponseOf(
    tokens,
    content,
    { url: new URL('https://op.example/token'), status: 200, headers, body: '' },
    asked,
  )
}

describe('when a token expires', () => {
  test.each<[string, JsonObject, number | undefined]>([
    ['expires_in counts from when it was asked for', { expires_in: 3600 }, NOW + 3600],
    ['also as a text', { expires_in: '60' }, NOW + 60],
    ['a broken one is not believed', { expires_in: -1 }, undefined],
    ['nor is nonsense', { expires_in: 'soon' }, undefined],
    ['without it the JWT tells', { access_token: jwt({ exp: NOW + 5 }) }, NOW + 5],
    [
      'made while it was waited for',
      { access_token: jwt({ exp: NOW + 10 }), expires_in: 9 },
      NOW + 10,
    ],
    ['by a clock ahead', { access_token: jwt({ exp: NOW + 12 }), expires_in: 9 }, NOW + 9],
    ['by a clock behind', { access_token: jwt({ exp: 1 }), expires_in: 9 }, NOW + 9],
    ['an opaque token tells nothing', {}, undefined],
  ])('%s', (_what, content, expiresAt) => {
    expect(respond(content).expiresAt).toBe(expiresAt)
  })
})

describe('when a refresh token dies', () => {
  test.each<[string, JsonObject, number | undefined]>([
    ['Keycloak says it', { refresh_expires_in: 1800 }, NOW + 1800],
    ['Keycloak says never', { refresh_expires_in: 0 }, undefined],
    ['others in another word', { refresh_token_expires_in: '60' }, NOW + 60],
    ["IAM's is a JWT", { refresh_token: jwt({ exp: NOW + 7 }) }, NOW + 7],
    ['the word wins', { refresh_token: jwt({ exp: 1 }), refresh_expires_in: 9 }, NOW + 9],
    ["Keycloak's for ever has a zero", { refresh_token: jwt({ exp: 0 }) }, undefined],
    ['an opaque one tells nothing', { refresh_token: 'opaque' }, undefined],
    ['nothing comes', {}, undefined],
  ])('%s', (_what, content, expiresAt) => {
    expect(respond(content).refreshTokenExpiresAt).toBe(expiresAt)
  })
})

describe('what a token is good for', () => {
  test.each<[JsonObject, string | undefined]>([
    [{ scope: 'a b' }, 'a b'],
    [{ access_token: jwt({ scope: 'c d' }) }, 'c d'],
    [{ access_token: jwt({ scope: ['c', 'd'] }) }, 'c d'],
    [{ access_token: jwt({ scope: 'c' }), scope: 'a' }, 'a'],
    [{ scope: ['a'] }, undefined],
    [{}, undefined],
  ])('the scope of %j is %s', (content, scope) => {
    expect(respond(content).scope).toBe(scope)
  })

  test.each<[JsonValue, readonly string[]]>([
    ['ce.example.org:9619', ['ce.example.org:9619']],
    [
      ['a', 7, 'b'],
      ['a', 'b'],
    ],
    [null, []],
  ])('the audience %j is %j', (aud, audience) => {
    expect(respond({ access_token: jwt({ aud }) }).audience).toEqual(audience)
  })

  test('the audience of an opaque token is not known, that of a JWT without one is nobody', () => {
    expect(respond({ access_token: 'opaque' }).audience).toBeUndefined()
    expect(respond({ access_token: jwt({}) }).audience).toEqual([])
  })
})

test('an empty refresh or ID token is none', () => {
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
])('the date %s means a skew of %s s', (date, skew) => {
  expect(respond({}, { date }).clockSkewSeconds).toBe(skew)
})

test('whatever stands beside the access token, it is kept', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (odd) => {
      const content = { ...(odd as JsonObject), access_token: 'at', refresh_token: 'rt' }
      expect(readTokenContent(content)).toMatchObject({
        access_token: 'at',
        refresh_token: 'rt',
        token_type: 'Bearer',
      })
    }),
  )
})

test.each(['', 'with\nan end of line', 'caf\u00e9', 'nul\u0000', 7, null])(
  '%j is no token',
  (value) => {
    expect(readTokenContent({ access_token: value, refresh_token: value })).toEqual({
      token_type: 'Bearer',
    })
  },
)
