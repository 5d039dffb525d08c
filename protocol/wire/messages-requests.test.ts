import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AgentError } from './errors.ts'
import { type JsonObject, parseRequest } from './messages.ts'

/** The parsed request, without the fields that are absent. */
function parsed(body: JsonObject): unknown {
  return JSON.parse(JSON.stringify(parseRequest(body)))
}

const config = { name: 'wlcg', issuer_url: 'https://op/' }

describe('requests of the C clients', () => {
  test.each<[string, JsonObject, unknown]>([
    [
      'access_token of liboidc-agent',
      {
        request: 'access_token',
        min_valid_period: 60,
        account: 'acc1',
        scope: 'openid',
        application_hint: 'capi-test',
        audience: 'audx',
      },
      {
        request: 'access_token',
        min_valid_period: 60,
        account: 'acc1',
        scope: 'openid',
        application_hint: 'capi-test',
        audience: 'audx',
      },
    ],
    [
      'access_token of the Go client',
      { request: 'access_token', issuer: 'https://op', min_valid_period: '0', mytoken_profile: '' },
      { request: 'access_token', issuer: 'https://op', min_valid_period: 0 },
    ],
    [
      'add of 5.x',
      {
        request: 'add',
        config,
        lifetime: 500,
        pw_entry: {
          account: 'acc1',
          type: 9,
          password: 'pw',
          expires_at: 1795298848,
          expires_after: 60,
        },
        confirm: 0,
        always_allow_id_token: 0,
        plain_add: 0,
      },
      {
        request: 'add',
        config,
        lifetime: 500,
        pw_entry: {
          account: 'acc1',
          type: 9,
          password: 'pw',
          expires_at: 1795298848,
          expires_after: 60,
        },
        confirm: false,
        always_allow_id_token: false,
        plain_add: false,
      },
    ],
    [
      'add of 4.x',
      {
        request: 'add',
        config,
        pw_entry: { account: 'acc1', type: 8 },
        confirm: '1',
        always_allow_id: true,
      },
      {
        request: 'add',
        config,
        pw_entry: { account: 'acc1', type: 8 },
        confirm: true,
        always_allow_id_token: true,
      },
    ],
    [
      'gen',
      {
        request: 'gen',
        config,
        flow: ['code', 'device'],
        pw_entry: {},
        no_webserver: 1,
        only_at: 0,
      },
      {
        request: 'gen',
        config,
        flow: ['code', 'device'],
        pw_entry: { type: 0 },
        no_webserver: true,
        only_at: false,
      },
    ],
    [
      'device with JSON text inside',
      { request: 'device', oidc_device: '{"device_code":"dc"}', only_at: '0' },
      { request: 'device', oidc_device: { device_code: 'dc' }, only_at: false },
    ],
    [
      'register with an empty authorization',
      { request: 'register', config: JSON.stringify(config), flow: 'device', authorization: '' },
      { request: 'register', config, flow: ['device'] },
    ],
    [
      'scopes of 5.x, whose endpoint is (null)',
      { request: 'scopes', issuer: 'https://op', config_endpoint: '(null)', cert_path: '/ca.pem' },
      { request: 'scopes', issuer: 'https://op', cert_path: '/ca.pem' },
    ],
    [
      'scopes by endpoint alone',
      { request: 'scopes', config_endpoint: 'https://op/.well-known/openid-configuration' },
      { request: 'scopes', config_endpoint: 'https://op/.well-known/openid-configuration' },
    ],
    ['id_token', { request: 'id_token', account: 'a' }, { request: 'id_token', account: 'a' }],
    ['remove', { request: 'remove', account: 'a' }, { request: 'remove', account: 'a' }],
    ['lock', { request: 'lock', password: 'é' }, { request: 'lock', password: 'é' }],
    ['unlock', { request: 'unlock', password: 1 }, { request: 'unlock', password: '1' }],
    [
      'unlock with a password that is a boolean',
      { request: 'unlock', password: false },
      { request: 'unlock', password: '0' },
    ],
    [
      'add whose account stays for ever',
      { request: 'add', config, lifetime: 0 },
      { request: 'add', config, lifetime: 0 },
    ],
    ['delete', { request: 'delete', config }, { request: 'delete', config }],
    [
      'delete_client',
      {
        request: 'delete_client',
        registration_client_uri: 'https://r',
        registration_access_token: 't',
      },
      {
        request: 'delete_client',
        registration_client_uri: 'https://r',
        registration_access_token: 't',
      },
    ],
    [
      'file_write',
      { request: 'file_write', filename: '/tmp/oidc-gen:x', data: 'AAA' },
      { request: 'file_write', filename: '/tmp/oidc-gen:x', data: 'AAA' },
    ],
  ])('a request is parsed as its client means it: %s', (_, body, request) => {
    expect(parsed(body)).toEqual(request)
  })

  test.each(['check', 'status', 'status_json', 'loaded_accounts', 'account_info', 'remove_all'])(
    'fields that are not declared for %s are dropped',
    (request) => {
      expect(parsed({ request, account: 'x', more: [1] })).toEqual({ request })
    },
  )

  test.each(['file_read', 'file_remove'])('%s keeps its file name', (request) => {
    expect(parsed({ request, filename: 'f' })).toEqual({ request, filename: 'f' })
  })
})

describe('flow', () => {
  test.each<[string, JsonObject, readonly string[]]>([
    ['absent', {}, ['refresh', 'password', 'code', 'device']],
    ['null', { flow: null }, ['refresh', 'password', 'code', 'device']],
    ['an empty array', { flow: [] }, ['refresh', 'password', 'code', 'device']],
    ['a word', { flow: 'device' }, ['device']],
    ['an array', { flow: ['device', 1, 'code'] }, ['device', 'code']],
    ['the text of an array', { flow: '["device"]' }, ['device']],
  ])('a flow becomes a list of names if it is %s', (_, given, flow) => {
    expect(parseRequest({ request: 'gen', config, ...given })).toMatchObject({ flow })
  })
})

describe('numbers', () => {
  test.each<[string, JsonObject[string], number | undefined]>([
    ['as text', '60', 60],
    ['with a fraction', 60.9, 60],
    ['below zero', -1, -1],
    ['true', true, 1],
    ['no number', 'soon', 0],
    ['too large', '1e999', Number.MAX_SAFE_INTEGER],
    ['too large, as JSON reads it', Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER],
    ['too small', '-1e999', Number.MIN_SAFE_INTEGER],
    ['null', null, undefined],
    ['empty', '', undefined],
    ['an object', { a: 1 }, 0],
  ])('a number is read as the C peer reads it: %s', (_, value, number) => {
    const request = parseRequest({ request: 'access_token', account: 'a', min_valid_period: value })
    expect(request).toMatchObject({ min_valid_period: number })
  })
})

test.each<[JsonObject[string], boolean | undefined]>([
  [true, true],
  ['true', true],
  ['1', true],
  [2, true],
  [0, false],
  ['false', false],
  [false, false],
  [null, undefined],
])('a flag that is %j is read as %j', (value, flag) => {
  expect(parseRequest({ request: 'add', config, confirm: value })).toMatchObject({ confirm: flag })
})

describe('refused requests', () => {
  test.each<[string, JsonObject, string]>([
    ['no type', {}, 'Bad Request: No request type.'],
    ['an empty type', { request: '' }, 'Bad Request: No request type.'],
    ['a null type', { request: null }, 'Bad Request: No request type.'],
    ['an unknown type', { request: 'mytoken' }, 'Bad Request: Unknown request type.'],
    ['a type of another kind', { request: { a: 1 } }, 'Bad Request: Unknown request type.'],
    ['an inherited type', { request: 'toString' }, 'Bad Request: Unknown request type.'],
    ['a token without account and issuer', { request: 'access_token' }, 'Not yet implemented'],
    [
      'an ID token without account and issuer',
      { request: 'id_token', account: '' },
      'Not yet implemented',
    ],
    [
      'remove without name',
      { request: 'remove' },
      'Bad Request: Have to provide shortname of the account config that should be removed.',
    ],
    [
      'scopes without issuer and endpoint',
      { request: 'scopes', config_endpoint: '(null)' },
      'Bad Request: issuer url or configuration endpoint must be given',
    ],
    ['add without config', { request: 'add' }, 'Argument is NULL in function getAccountFromJSON'],
    [
      'add with a config that is null',
      { request: 'add', config: null },
      'Argument is NULL in function getAccountFromJSON',
    ],
    [
      'add with an empty config',
      { request: 'add', config: '' },
      'Argument is NULL in function getAccountFromJSON',
    ],
    ['gen without config', { request: 'gen' }, 'Argument is NULL in function getAccountFromJSON'],
    [
      'delete without config',
      { request: 'delete' },
      'Argument is NULL in function getAccountFromJSON',
    ],
    [
      'device without device code',
      { request: 'device' },
      'Argument is NULL in function getDeviceCodeFromJSON',
    ],
    [
      'a config that is not an object',
      { request: 'add', config: [1] },
      'Bad Request: config is not a json object',
    ],
    [
      'a config that is not JSON',
      { request: 'add', config: '{' },
      'Bad Request: could not parse json',
    ],
    [
      'lock without password',
      { request: 'lock' },
      "Bad Request: Required field 'password' not present.",
    ],
    [
      'a file without name',
      { request: 'file_read' },
      "Bad Request: Required field 'filename' not present.",
    ],
    [
      'a file without data',
      { request: 'file_write', filename: 'f' },
      "Bad Request: Required field 'data' not present.",
    ],
    [
      'a negative lifetime, which would mean "for ever"',
      { request: 'add', config, lifetime: -1 },
      'Bad Request: lifetime is negative',
    ],
  ])('a request is refused: %s', (_, body, message) => {
    const code = message === 'Not yet implemented' ? 'not-implemented' : 'bad-request'
    expect(() => parseRequest(body)).toThrow(expect.objectContaining({ code, message }))
  })

  test.each(['account', 'issuer', 'scope', 'audience'])(
    'control characters in %s are refused',
    (key) => {
      for (const control of ['\n', '\r', '\0', '\u001b', '\u007f', '\u009b']) {
        const body = { request: 'access_token', account: 'a', [key]: `x${control}y` }
        expect(() => parseRequest(body)).toThrow(
          expect.objectContaining({
            code: 'bad-request',
            message: `Bad Request: ${key} contains control characters`,
          }),
        )
      }
    },
  )

  test('a scope longer than 16384 characters is refused', () => {
    const body = { request: 'access_token', account: 'a', scope: 'x'.repeat(16_385) }
    const message = 'Bad Request: scope is longer than 16384 characters'
    expect(() => parseRequest(body)).toThrow(expect.objectContaining({ message }))
    const scope = 'x'.repeat(16_384)
    expect(parseRequest({ ...body, scope })).toMatchObject({ scope })
  })
})

test('an application hint becomes one line of at most 256 characters', () => {
  const body = {
    request: 'access_token',
    account: 'a',
    application_hint: `\u001b[31m\n${'x'.repeat(500)}`,
  }
  const { application_hint: hint } = parseRequest(body) as { application_hint?: string }
  expect(hint).toMatch(/^ \[31m x+$/)
  expect(hint).toHaveLength(256)
})

describe('logins by browser', () => {
  test('code_exchange finishes a login with the URL of its redirect', () => {
    const redirect_uri = 'http://localhost:8099?code=c&state=s'
    const request = { request: 'code_exchange', redirect_uri, from_gen: 1 }
    expect(parseRequest(request)).toEqual({ ...request, from_gen: true })
    expect(() => parseRequest({ request: 'code_exchange' })).toThrow(
      'Argument is NULL in function oidcd_handleCodeExchange',
    )
  })

  test('state_lookup and term_http_server identify a login by its state', () => {
    const state = '0:0x:1:y'
    expect(parseRequest({ request: 'state_lookup', state })).toEqual({
      request: 'state_lookup',
      state,
    })
    expect(() => parseRequest({ request: 'state_lookup' })).toThrow('state malformed')
    expect(parseRequest({ request: 'term_http_server', state })).toMatchObject({ state })
    expect(parseRequest({ request: 'term_http_server' }).request).toBe('term_http_server')
  })
})

test('any JSON object is parsed as a request or refused with an AgentError', () => {
  const types = ['access_token', 'add', 'gen', 'device', 'scopes', 'file_write', 'lock', 'register']
  const keys = ['account', 'config', 'flow', 'pw_entry', 'file_key', 'issuer', 'scope', 'password']
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()),
      (request, more) => {
        try {
          const body = JSON.parse(JSON.stringify({ ...more, request })) as JsonObject
          expect(parseRequest(body).request).toBe(request)
        } catch (error) {
          expect(error).toBeInstanceOf(AgentError)
        }
      },
    ),
  )
})
