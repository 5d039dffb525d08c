import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../wire/messages.ts'
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

/** A source of subject tokens in which nothing is set. */
const noSource = { platform: undefined, audience: undefined, variable: undefined, file: undefined }

function withMember(name: string, value: JsonValue | undefined): JsonObject {
  return value === undefined ? fields : { ...fields, [name]: value }
}

test('an account has the members of its JSON; an empty member is absent', () => {
  const account = accountOf(fields)
  expect(account).toMatchObject({
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
  })
  expect(account.fields.reveal()).toBe(fields)
  expect(account.clientSecret?.reveal()).toBe('csec')
  expect(account.refreshToken?.reveal()).toBe('RT')
})

test('an account of 4.x has its scopes in `scope`', () => {
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

test('an account has the members that the C tools do not know', () => {
  const account = accountOf({
    ...fields,
    cert_path: '/ca.pem',
    audience: 'https://se',
    refresh_scope: 'openid',
    token_endpoint_auth_method: 'private_key_jwt',
    private_key_file: '/key.pem',
    audience_parameter: 'resource',
    refresh_token_expires_at: 17,
  })
  expect(account).toMatchObject({
    certPath: '/ca.pem',
    audience: 'https://se',
    refreshScope: 'openid',
    authenticationMethod: 'private_key_jwt',
    privateKeyFile: '/key.pem',
    audienceParameter: 'resource',
    refreshTokenExpiresAt: 17,
  })
})

test.each<[JsonValue | undefined, string]>([
  [undefined, 'refresh_token'],
  ['refresh_token', 'refresh_token'],
  ['client_credentials', 'client_credentials'],
  ['token-exchange', 'token-exchange'],
  ['password', 'refresh_token'],
  [7, 'refresh_token'],
])('an account whose grant is %j gets its tokens by %s', (grant, kind) => {
  expect(accountOf(withMember('grant', grant)).grant).toBe(kind)
})

test.each<[JsonValue | undefined, string | undefined]>([
  ['audience', 'audience'],
  ['resource', 'resource'],
  ['both', 'both'],
  ['scope', 'scope'],
  ['aud', undefined],
  [undefined, undefined],
])('an audience parameter that is %j is read as %j', (word, parameter) => {
  expect(accountOf(withMember('audience_parameter', word)).audienceParameter).toBe(parameter)
})

test.each<[JsonValue | undefined, number | undefined]>([
  [1, 1],
  [0, undefined],
  [-1, undefined],
  ['17', undefined],
  [undefined, undefined],
])('a login whose end is %j ends at %j', (value, expiry) => {
  const account = accountOf(withMember('refresh_token_expires_at', value))
  expect(account.refreshTokenExpiresAt).toBe(expiry)
})

test.each<[JsonObject, unknown]>([
  [{}, undefined],
  [{ subject_token_source: 'gitlab' }, undefined],
  [{ subject_token_audience: 'a', subject_token_type: 't' }, undefined],
  [
    { subject_token_source: 'github' },
    { ...noSource, platform: 'github', type: 'urn:ietf:params:oauth:token-type:id_token' },
  ],
  [
    { subject_token_env: 'T', subject_token_type: 't' },
    { ...noSource, variable: 'T', type: 't' },
  ],
  [
    { subject_token_file: '/t', subject_token_audience: 'a', subject_token_type: 't' },
    { ...noSource, file: '/t', audience: 'a', type: 't' },
  ],
])('an account with %j has the subject token %j', (members, source) => {
  expect(accountOf({ ...fields, ...members }).subjectToken).toStrictEqual(source)
})

test.each([1, 16, '1', true])('a flag of an account is set if its member is %j', (value) => {
  const account = accountOf({ ...fields, daeSetByUser: value, uses_pub_client: value })
  expect(account.deviceAuthorizationEndpoint).toBe('https://op/device')
  expect(account.usesPublicClient).toBe(true)
})

test.each([0, '0', false, '', undefined])(
  'a flag of an account is not set if its member is %j',
  (value) => {
    const given = { name: 'x', issuer_url: 'https://op' }
    const account = accountOf(value === undefined ? given : { ...given, uses_pub_client: value })
    expect(account.usesPublicClient).toBe(false)
  },
)

test('an account may have a number in place of a text', () => {
  expect(accountOf({ ...fields, client_id: 17 }).clientId).toBe('17')
})

test.each([true, null, ['x'], { x: 1 }])('a member that is %j counts as absent', (value) => {
  expect(accountOf({ ...fields, audience: value }).audience).toBeUndefined()
})

test.each([{}, { name: 'x' }, { issuer_url: 'https://op' }, { name: '', issuer: 'https://op' }])(
  'JSON without name or issuer is not an account: %j',
  (broken) => {
    expect(() => accountOf(broken)).toThrow(
      expect.objectContaining({
        code: 'file-malformed',
        message: 'bad configuration: the account has no name or issuer',
      }),
    )
  },
)

test('an account prints none of its secrets, wherever it stands in what is printed', () => {
  // Not a word that a stack trace has.
  const secret = fc.stringMatching(/^[\w.~+/-]{8,40}$/).map((text) => `S3cr~${text}`)
  const named = ['refresh_token', 'client_secret', 'registration_access_token', 'password']
  fc.assert(
    fc.property(fc.tuple(secret, secret, secret, secret, secret), (secrets) => {
      const values = Object.fromEntries(named.map((name, index) => [name, secrets[index] ?? '']))
      const own = { 'a member we do not know': { nested: [secrets[4]] } }
      const account = accountOf({ name: '-', issuer_url: '-', ...values, ...own })
      const changed = changedAccount(account, { refreshScope: '-' })
      const cause = new Error('-', { cause: changed })
      for (const held of [
        account,
        changed,
        [account],
        { account },
        new Map([[1, account]]),
        cause,
      ]) {
        const printed = printedForms(held)
        for (const one of secrets) expect(printed).not.toContain(one)
      }
    }),
  )
})

/** All that a log, a debugger or an error report can make of a value. */
function printedForms(value: unknown): string {
  const everything = { depth: Infinity, showHidden: true, getters: true, maxStringLength: null }
  return [inspect(value, everything), inspect(value), JSON.stringify(value), String(value)].join()
}

test('a change to an account touches what it names and nothing else', () => {
  const changed = changedAccount(accountOf(fields), {
    refreshToken: new Secret('RT2'),
    refreshScope: 'openid',
    refreshTokenExpiresAt: 17,
  })
  const json = changed.fields.reveal()
  expect(json).toEqual({
    ...fields,
    refresh_token: 'RT2',
    refresh_scope: 'openid',
    refresh_token_expires_at: 17,
  })
  expect(Object.keys(json)).toEqual([...Object.keys(fields), 'refresh_token_expires_at'])
  expect(changed.refreshScope).toBe('openid')
  expect(changed.refreshToken?.reveal()).toBe('RT2')
})

test('a change that names nothing changes nothing', () => {
  const account = accountOf(fields)
  expect(changedAccount(account, {}).fields.reveal()).toEqual(fields)
})

test('two URLs name the same issuer if they differ by one final slash at most', () => {
  expect(sameIssuer('https://op/', 'https://op')).toBe(true)
  expect(sameIssuer('https://op//', 'https://op')).toBe(false)
  expect(sameIssuer('https://op', 'https://OP')).toBe(false)
})

test('a space separated list has its words in order; its set has them sorted, each once', () => {
  expect(words(' b  a\tb ')).toEqual(['b', 'a', 'b'])
  expect(wordSet(' b  a\tb ')).toEqual(['a', 'b'])
  expect(words(undefined)).toEqual([])
  expect(wordSet('')).toEqual([])
})
