import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AgentError, failureReply, peerError } from './errors.ts'
import { type JsonObject, parseReply, type RequestType } from './messages.ts'

function parsed(type: RequestType, body: JsonObject): unknown {
  return JSON.parse(
    JSON.stringify(parseReply(type, JSON.stringify({ status: 'success', ...body }))),
  )
}

const device = {
  device_code: 'dc-123',
  user_code: 'ABCD-EFGH',
  verification_uri: 'https://op/device',
  verification_uri_complete: 'https://op/device?c=ABCD-EFGH',
  expires_in: 300,
  interval: 1,
}

describe('replies', () => {
  test.each<[RequestType, JsonObject]>([
    ['access_token', { access_token: 'at', issuer: 'https://op/', expires_at: 1795302387 }],
    [
      'access_token',
      { access_token: 'at', issuer: 'https://op/', expires_at: 1, scope: 'openid', info: 'less' },
    ],
    [
      'access_token',
      { access_token: 'at', issuer: 'https://op/', expires_at: 1, login_expired: true },
    ],
    ['id_token', { id_token: 'eyJ', issuer: 'https://op/' }],
    ['loaded_accounts', { info: ['acc1', 'gpgacc'] }],
    [
      'account_info',
      {
        info: {
          'https://a/': { pubclient: false, accounts: { one: false, two: true } },
          'https://d': { pubclient: true },
        },
      },
    ],
    ['check', {}],
    ['status', { info: 'text' }],
    [
      'status_json',
      { info: { version: '5.3.3', command_line_options: '--confirm', loaded_accounts: ['e'] } },
    ],
    [
      'status_json',
      {
        info: {
          version: '6',
          command_line_options: '',
          loaded_accounts: ['e'],
          token_files: [
            { path: '/f', account: 'e', expires_at: 7, state: 'fresh' },
            { path: '/g', account: 'e', expires_at: 0, state: 'retrying', error: 'down' },
          ],
          shares: [{ path: '/s', allow: ['e&scopes=*'], expires_at: 9 }],
          accounts: [
            {
              name: 'e',
              issuer: 'https://op/',
              grant: 'refresh_token',
              refresh_token_expires_at: 8,
              login_expired: true,
            },
          ],
        },
      },
    ],
    ['share', { path: '/s', info: 'open' }],
    ['add', { info: 'Lifetime set to 5 seconds' }],
    ['gen', { config: { name: 'a' } }],
    ['gen', { access_token: 'at', issuer: 'https://op/', expires_at: 0 }],
    ['gen', { status: 'accepted', oidc_device: device }],
    ['device', { config: { name: 'a' }, info: 'granted less' }],
    ['device', { access_token: 'at', issuer: 'https://op/', expires_at: 0 }],
    ['register', { client: { client_id: 'c' }, max_scopes: 'openid' }],
    ['scopes', { info: 'openid profile' }],
    ['jwks', { jwks: { keys: [{ kty: 'EC' }] } }],
    ['remove', {}],
    ['remove_all', {}],
    ['lock', { info: 'Agent locked' }],
    ['unlock', { info: 'Agent unlocked' }],
    ['delete', {}],
    ['delete_client', {}],
    ['file_write', {}],
    ['file_read', { data: 'AAA' }],
    ['file_remove', {}],
  ])('a reply to %s keeps all its fields: %j', (type, body) => {
    expect(parsed(type, body)).toEqual({ status: 'success', ...body })
  })

  test('a status reply of the C agent may contain raw line feeds', () => {
    const reply = parseReply('status', '{"status":"success","info":"## status\n\tone"}')
    expect(reply.info).toBe('## status\n\tone')
  })

  test.each<[string, RequestType, JsonObject, unknown]>([
    [
      'an expiry as text',
      'access_token',
      { access_token: 'a', expires_at: '7' },
      { expires_at: 7 },
    ],
    ['no expiry', 'access_token', { access_token: 'a' }, { expires_at: 0, issuer: '' }],
    [
      'an expiry that is not a number',
      'access_token',
      { access_token: 'a', expires_at: 'x' },
      { expires_at: 0 },
    ],
    ['an empty status', 'status', {}, { info: '' }],
    [
      'no options',
      'status_json',
      { info: { version: '4', loaded_accounts: [] } },
      { info: { command_line_options: '' } },
    ],
    ['no scopes', 'register', { client: {} }, { max_scopes: '' }],
    [
      'an issuer that is not an object',
      'account_info',
      { info: { 'https://a': 1 } },
      { info: { 'https://a': { pubclient: false } } },
    ],
    [
      'no interval',
      'gen',
      { oidc_device: { ...device, interval: null, expires_in: '' } },
      { oidc_device: { interval: 5, expires_in: 600 } },
    ],
    ['names that are not texts', 'loaded_accounts', { info: ['a', 1] }, { info: ['a'] }],
  ])('a reply may have %s', (_, type, body, reply) => {
    expect(parsed(type, body)).toMatchObject(reply as object)
  })

  test.each<[RequestType, JsonObject, string]>([
    ['access_token', {}, 'has no access_token'],
    ['access_token', { access_token: 7 }, 'has no access_token'],
    ['id_token', { id_token: '' }, 'has no id_token'],
    ['loaded_accounts', { info: 'a' }, 'has no list info'],
    ['account_info', {}, 'has no object info'],
    ['status_json', { info: {} }, 'has no version'],
    ['device', {}, 'has no object config'],
    ['gen', { oidc_device: {} }, 'has no device_code'],
    ['register', { client: [] }, 'has no object client'],
    ['file_read', {}, 'has no data'],
  ])('a reply to %s without a required field is malformed: %j', (type, body, message) => {
    expect(() => parsed(type, body)).toThrow(
      expect.objectContaining({
        code: 'message-malformed',
        message: `the agent's reply ${message}`,
      }),
    )
  })

  test.each([
    ['<html>', 'is not JSON'],
    ['[]', 'is not a JSON object'],
  ])('a reply is malformed if it is %s', (text, problem) => {
    const message = `the agent's reply ${problem}`
    expect(() => parseReply('check', text)).toThrow(
      expect.objectContaining({ code: 'message-malformed', message }),
    )
  })

  test('the error of a reply that is not JSON has the error of the JSON reader as its cause', () => {
    expect(() => parseReply('check', '<html>')).toThrow(
      expect.objectContaining({
        cause: expect.objectContaining({ code: 'bad-request' }) as unknown,
      }),
    )
  })

  test('a login that has not expired is not reported', () => {
    expect(parsed('access_token', { access_token: 'a', login_expired: false })).not.toHaveProperty(
      'login_expired',
    )
  })
})

describe('failure replies', () => {
  test.each([
    [{ error: 'Agent locked' }, 'agent-locked', undefined],
    [{ error: 'No account configured with that short name' }, 'unknown-account', undefined],
    [{ error: 'Bad Request: no' }, 'bad-request', undefined],
    [
      { error: 'invalid_grant: gone', info: 'Most likely\n\t$ oidc-gen x\n' },
      'provider-error',
      'Most likely\n\t$ oidc-gen x',
    ],
    [{ error: 'x', code: 'tls', info: 7 }, 'tls', undefined],
    [{ error: 'x', code: 'no such code' }, 'provider-error', undefined],
    [{ error: 'x', code: 7 }, 'provider-error', undefined],
    [{ error: 'x', code: ['tls'] }, 'provider-error', undefined],
  ])('a failure is recognised by its text or its code: %j', (body, code, hint) => {
    const text = JSON.stringify({ status: 'failure', ...body })
    expect(() => parseReply('access_token', text)).toThrow(
      expect.objectContaining({ code, hint, message: body.error }),
    )
  })

  test('a reply with an error is a failure, whatever its status is', () => {
    const text = '{"status":"success","error":"wrong password"}'
    expect(() => parseReply('check', text)).toThrow('wrong password')
  })

  test('an error keeps code, message and hint on its way to the client', () => {
    const error = peerError('account-not-loaded', { hint: 'oidc-add x' })
    const text = JSON.stringify(failureReply(error))
    expect(() => parseReply('access_token', text)).toThrow(
      expect.objectContaining({ code: error.code, message: error.message, hint: error.hint }),
    )
  })
})

describe('logins by browser', () => {
  test('the reply to gen has the URL to open and the state of a started login', () => {
    const reply = { status: 'accepted', uri: 'https://op/auth', state: '0:0x:1:y' }
    expect(parseReply('gen', JSON.stringify(reply))).toEqual(reply)
    expect(() => parseReply('gen', '{"status":"accepted","uri":"u"}')).toThrow('has no state')
  })

  test.each(['NotFound', 'FoundButReceived'])(
    'the reply to state_lookup reports that there is nothing to fetch: %s',
    (status) => {
      const reply = { status, info: 'why' }
      expect(parseReply('state_lookup', JSON.stringify(reply))).toEqual(reply)
    },
  )

  test.each(['state_lookup', 'code_exchange'] as const)(
    'the reply to %s has the account or the token of an ended login',
    (type) => {
      const account = { status: 'success', config: { name: 'x' } }
      expect(parseReply(type, JSON.stringify(account))).toMatchObject(account)
      const token = { status: 'success', access_token: 'AT', issuer: 'i', expires_at: 1 }
      expect(parseReply(type, JSON.stringify(token))).toMatchObject(token)
    },
  )
})

test('any JSON object is parsed as a reply or refused with an AgentError', () => {
  const types: RequestType[] = ['access_token', 'gen', 'account_info', 'status_json', 'register']
  const keys = ['info', 'config', 'oidc_device', 'access_token', 'error', 'client', 'uri', 'state']
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()),
      (type, body) => {
        try {
          expect(parseReply(type, JSON.stringify(body)).status).toMatch(/^(success|accepted)$/)
        } catch (error) {
          expect(error).toBeInstanceOf(AgentError)
        }
      },
    ),
  )
})
