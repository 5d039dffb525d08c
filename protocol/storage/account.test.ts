import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../wire/messages.ts'
import { Secret } from '../wire/secret.ts'
import { accountOf, changedAccount, sameIssuer, wordSet, words } from './account.ts'

const fields: JsonObject = {
  name: 'wlcg',
  issuer_url: 'https://op/',
  config_endpoint: 'https://op/config',
  device_authorization_endpoint: 'https://op/device',
  daeSetByUser: 0,
  client_id: 'cid',
  client_secret: 'csec',
  refresh_token: 'RT',
  cert_path: '',
  auth_scope: 'openid profile',
  scope: 'other',
  refresh_scope: '',
  audience: '',
  uses_pub_client: 0,
  redirect_uris: ['http://localhost:8099', 7],
  registration_access_token: 'rat',
}

describe('an account', () => {
  test('is what its JSON says; what is empty is absent', () => {
    expect(accountOf(fields)).toMatchObject({
      name: 'wlcg',
      issuer: 'https://op/',
      configEndpoint: 'https://op/config',
      deviceAuthorizationEndpoint: undefined,
      clientId: 'cid',
      usesPublicClient: false,
      certPath: undefined,
      authScope: 'openid profile',
      refreshScope: undefined,
      audience: undefined,
      redirectUris: ['http://localhost:8099'],
      fields,
    })
    expect(accountOf(fields).clientSecret?.reveal()).toBe('csec')
    expect(accountOf(fields).refreshToken?.reveal()).toBe('RT')
  })

  test('of 4.x has its scopes in `scope`', () => {
    expect(accountOf({ ...fields, auth_scope: '' }).authScope).toBe('other')
    expect(accountOf({ name: 'x', issuer: 'https://op' })).toMatchObject({
      issuer: 'https://op',
      authScope: '',
      clientId: '',
      clientSecret: undefined,
      refreshToken: undefined,
      redirectUris: [],
    })
  })

  test.each([1, 16, '1', true])('has a flag that is %j', (value) => {
    const account = accountOf({ ...fields, daeSetByUser: value, uses_pub_client: value })
    expect(account.deviceAuthorizationEndpoint).toBe('https://op/device')
    expect(account.usesPublicClient).toBe(true)
  })

  test.each([0, '0', false, '', undefined])('has no flag that is %j', (value) => {
    const given = { name: 'x', issuer_url: 'https://op' }
    const account = accountOf(value === undefined ? given : { ...given, uses_pub_client: value })
    expect(account.usesPublicClient).toBe(false)
  })

  test('may have a number for a text', () => {
    expect(accountOf({ ...fields, client_id: 17 }).clientId).toBe('17')
  })

  test.each([{}, { name: 'x' }, { issuer_url: 'https://op' }, { name: '', issuer: 'https://op' }])(
    'without name or issuer is none: %j',
    (broken) => {
      expect(() => accountOf(broken)).toThrow(expect.objectContaining({ code: 'file-malformed' }))
    },
  )

  test('prints neither secret', () => {
    const printed = { ...accountOf(fields), fields: undefined }
    expect(inspect(printed) + JSON.stringify(printed)).not.toMatch(/csec|RT/)
  })
})

describe('a change', () => {
  test('touches what it names and nothing else', () => {
    const changed = changedAccount(accountOf(fields), {
      refreshToken: new Secret('RT2'),
      refreshScope: 'openid',
    })
    expect(changed.fields).toEqual({ ...fields, refresh_token: 'RT2', refresh_scope: 'openid' })
    expect(Object.keys(changed.fields)).toEqual(Object.keys(fields))
    expect(changed.refreshScope).toBe('openid')
    expect(changed.refreshToken?.reveal()).toBe('RT2')
  })

  test('of nothing changes nothing', () => {
    const account = accountOf(fields)
    expect(changedAccount(account, {}).fields).toEqual(fields)
  })
})

test('issuers may differ by one slash', () => {
  expect(sameIssuer('https://op/', 'https://op')).toBe(true)
  expect(sameIssuer('https://op//', 'https://op')).toBe(false)
  expect(sameIssuer('https://op', 'https://OP')).toBe(false)
})

test('lists are words in order; sets are sorted, each once', () => {
  expect(words(' b  a\tb ')).toEqual(['b', 'a', 'b'])
  expect(wordSet(' b  a\tb ')).toEqual(['a', 'b'])
  expect(words(undefined)).toEqual([])
  expect(wordSet('')).toEqual([])
})
