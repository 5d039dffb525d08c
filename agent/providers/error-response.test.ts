import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AgentError } from '../../protocol/wire/errors.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { clientAt, failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import {
  type ScriptedReply,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/support/scripted-server.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider } from '../oauth/provider.ts'

const REFRESH_TOKEN = 'opaque refresh/token+1'

let server: ScriptedServer
let oidc: OpenIdProvider

beforeEach(async () => {
  server = await startScriptedServer()
  oidc = createOpenIdProvider()
})

afterEach(async () => {
  await oidc.close()
  await server.close()
})

async function refreshFailure(reply: ScriptedReply): Promise<AgentError> {
  server.script['/token'] = reply
  const client = clientAt(providerConfig(server.origin, server.caPath))
  const grant = {
    refreshToken: new Secret(REFRESH_TOKEN),
    scope: undefined,
    audience: undefined,
  }
  return failureOf(oidc.refreshTokenGrant(client, grant, noAbort()))
}

async function pollFailure(reply: ScriptedReply): Promise<AgentError> {
  server.script['/token'] = reply
  const client = clientAt(providerConfig(server.origin, server.caPath))
  return failureOf(oidc.deviceAccessToken(client, 'device-code-1', noAbort()))
}

const host = (): string => new URL(server.origin).host

describe('error responses', () => {
  test.each([
    [400, 'invalid_grant', 'Token is dead', 'refresh-token-dead'],
    [401, 'invalid_token', 'Invalid refresh token', 'refresh-token-dead'],
    [400, 'invalid_scope', 'Up-scoping is not allowed.', 'invalid-scope'],
    [401, 'invalid_client', 'Client is suspended', 'invalid-client'],
    [400, 'invalid_request', 'Missing parameter', 'invalid-request'],
    [400, 'invalid_target', 'not originally granted', 'invalid-target'],
    [403, 'access_denied', 'no', 'provider-error'],
    [500, 'server_error', 'oops', 'provider-unavailable'],
    [200, 'invalid_grant', 'with status 200', 'refresh-token-dead'],
  ])(
    'an error response to a refresh with status %i, %s and "%s" becomes %s',
    async (status, error, error_description, code) => {
      const failure = await refreshFailure({ status, body: { error, error_description } })
      expect(failure).toMatchObject({ code, message: `${error}: ${error_description}` })
    },
  )

  test('without a description, the message is the error code', async () => {
    expect((await refreshFailure({ status: 400, body: { error: 'invalid_grant' } })).message).toBe(
      'invalid_grant',
    )
  })

  test('an error response in WWW-Authenticate alone is read', async () => {
    const failure = await refreshFailure({
      status: 401,
      headers: {
        'www-authenticate':
          'Bearer realm="iam", error="invalid_token", error_description="Invalid \\"refresh\\" token"',
      },
    })
    expect(failure).toMatchObject({
      code: 'refresh-token-dead',
      message: 'invalid_token: Invalid "refresh" token',
    })
  })

  test('an error response in the body precedes WWW-Authenticate', async () => {
    const failure = await refreshFailure({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="iam"' },
      body: { error: 'invalid_client', error_description: 'Bad client credentials' },
    })
    expect(failure.message).toBe('invalid_client: Bad client credentials')
  })

  test('invalid_grant for a device poll does not mean that a refresh token is dead', async () => {
    const failure = await pollFailure({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'Invalid device code' },
    })
    expect(failure.code).toBe('provider-error')
    expect(failure.hint).toContain('Start the login again')
  })

  test.each(['authorization_pending', 'slow_down'])(
    'the message of %s is the error code alone',
    async (error) => {
      const failure = await pollFailure({
        status: 400,
        body: { error, error_description: 'the user is slow' },
      })
      expect(failure.message).toBe(error)
      expect(failure.code).toBe(error.replace('_', '-'))
    },
  )
})

describe('the text of a provider in messages', () => {
  test('a message never contains the refresh token, the client secret or a JWT', async () => {
    const jwt = `${base64('{"alg":"none"}')}.${base64('{"jti":"1"}')}.`
    const failure = await refreshFailure({
      status: 401,
      body: {
        error: 'invalid_token',
        error_description: `Invalid refresh token: ${REFRESH_TOKEN} or ${encodeURIComponent(REFRESH_TOKEN)} or ${jwt} of client-secret-1`,
      },
    })
    expect(failure.message).toBe(
      'invalid_token: Invalid refresh token: [secret] or [secret] or [token] of [secret]',
    )
  })

  test('a message contains no control characters and only the beginning of a long text', async () => {
    const failure = await refreshFailure({
      status: 400,
      body: {
        error: 'invalid_grant\n',
        error_description: `\u001b[31mred\u0007\r\n${'x'.repeat(999)}`,
      },
    })
    expect(failure.message).toMatch(/^invalid_grant: \[31mred x+…$/)
    expect(failure.message.length).toBeLessThan(330)
  })
})

describe('responses that are not OAuth responses', () => {
  test.each<[string, ScriptedReply, string, string]>([
    [
      'a proxy page',
      page(502),
      'provider-unavailable',
      'answered 502 with text/html instead of JSON',
    ],
    ['a login page', page(200), 'provider-answer', 'answered 200 with text/html instead of JSON'],
    ['an empty 404', { status: 404 }, 'provider-status', 'answered 404 with an empty body'],
    ['an empty body', { status: 200 }, 'provider-answer', 'answered 200 with an empty body'],
    [
      'half of a JSON text',
      { headers: { 'content-type': 'application/json' }, body: '{"access_token":"x' },
      'provider-answer',
      'answered 200 with JSON that cannot be used',
    ],
    [
      'a JSON text that is not an object',
      { headers: { 'content-type': 'application/json' }, body: '["x"]' },
      'provider-answer',
      'answered 200 with JSON that cannot be used',
    ],
    [
      'a body without a content type',
      { body: 'moin' },
      'provider-answer',
      'answered 200 with a body without a content type instead of JSON',
    ],
  ])('%s is reported without its content', async (_what, reply, code, text) => {
    const failure = await refreshFailure(reply)
    expect(failure).toMatchObject({ code, message: `${host()} ${text}` })
  })

  test.each([301, 302, 303, 307, 308])(
    'a redirect of the token endpoint is not followed (%i)',
    async (status) => {
      const failure = await refreshFailure({
        status,
        headers: { location: `${server.origin}/stolen?refresh_token=x` },
      })
      expect(failure).toMatchObject({
        code: 'provider-answer',
        message: `${host()} answered ${status} with a redirect to ${server.origin}, which is not followed for a refresh request`,
      })
      expect(server.requests.map(({ path }) => path)).not.toContain('/stolen?refresh_token=x')
    },
  )

  test('a token response without an access token is refused', async () => {
    const failure = await refreshFailure({ body: { token_type: 'Bearer' } })
    expect(failure.code).toBe('provider-answer')
    expect(failure.message).toMatch(
      new RegExp(`^${host()} sent a response that cannot be used: .*access_token`),
    )
  })
})

function page(status: number): ScriptedReply {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: '<html><h1>Bad gateway</h1></html>',
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64url')
}
