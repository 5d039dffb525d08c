import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AgentError } from '../../protocol/wire/errors.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { addressOf, clientAt, failureOf, noAbort } from '../../test/support/oidc-client.ts'
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
  const client = clientAt(addressOf(server.origin, server.caPath))
  const grant = {
    refreshToken: new Secret(REFRESH_TOKEN),
    scope: undefined,
    audience: undefined,
  }
  return failureOf(oidc.refreshTokenGrant(client, grant, noAbort()))
}

async function pollFailure(reply: ScriptedReply): Promise<AgentError> {
  server.script['/token'] = reply
  const client = clientAt(addressOf(server.origin, server.caPath))
  return failureOf(oidc.deviceAccessToken(client, 'device-code-1', noAbort()))
}

const host = (): string => new URL(server.origin).host

describe('what a provider refuses', () => {
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
  ])('%i %s: %s', async (status, error, error_description, code) => {
    const failure = await refreshFailure({ status, body: { error, error_description } })
    expect(failure).toMatchObject({ code, message: `${error}: ${error_description}` })
  })

  test('without a description it is the bare word', async () => {
    expect((await refreshFailure({ status: 400, body: { error: 'invalid_grant' } })).message).toBe(
      'invalid_grant',
    )
  })

  test('a refusal that stands in WWW-Authenticate only', async () => {
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

  test('a refusal that stands in both is told in the words of the body', async () => {
    const failure = await refreshFailure({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="iam"' },
      body: { error: 'invalid_client', error_description: 'Bad client credentials' },
    })
    expect(failure.message).toBe('invalid_client: Bad client credentials')
  })

  test('only a refresh has a refresh token that can be dead', async () => {
    const failure = await pollFailure({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'Invalid device code' },
    })
    expect(failure.code).toBe('provider-error')
    expect(failure.hint).toContain('Start the login again')
  })

  test.each(['authorization_pending', 'slow_down'])('%s stays bare', async (error) => {
    const failure = await pollFailure({
      status: 400,
      body: { error, error_description: 'the person is slow' },
    })
    expect(failure.message).toBe(error)
    expect(failure.code).toBe(error.replace('_', '-'))
  })
})

describe('what never gets into a message', () => {
  test('the refresh token, the client secret, and any JWT', async () => {
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

  test('control characters and pages of text', async () => {
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

describe('what is no answer', () => {
  test.each<[string, ScriptedReply, string, string]>([
    [
      'a proxy page',
      page(502),
      'provider-unavailable',
      'answered 502 with text/html instead of JSON',
    ],
    ['a login page', page(200), 'provider-answer', 'answered 200 with text/html instead of JSON'],
    ['an empty 404', { status: 404 }, 'provider-status', 'answered 404 with an empty body'],
    ['nothing', { status: 200 }, 'provider-answer', 'answered 200 with an empty body'],
    [
      'half of a JSON text',
      { headers: { 'content-type': 'application/json' }, body: '{"access_token":"x' },
      'provider-answer',
      'answered 200 with JSON that cannot be used',
    ],
    [
      'a JSON text that is no object',
      { headers: { 'content-type': 'application/json' }, body: '["x"]' },
      'provider-answer',
      'answered 200 with JSON that cannot be used',
    ],
    [
      'text of no type',
      { body: 'moin' },
      'provider-answer',
      'answered 200 with something of no content type instead of JSON',
    ],
  ])('%s', async (_what, reply, code, text) => {
    const failure = await refreshFailure(reply)
    expect(failure).toMatchObject({ code, message: `${host()} ${text}` })
  })

  test.each([301, 302, 303, 307, 308])('a redirect of the token endpoint (%i)', async (status) => {
    const failure = await refreshFailure({
      status,
      headers: { location: `${server.origin}/stolen?refresh_token=x` },
    })
    expect(failure).toMatchObject({
      code: 'provider-answer',
      message: `${host()} answered ${status} with a redirect to ${server.origin}, which is not followed for a refresh request`,
    })
    expect(server.requests.map(({ path }) => path)).not.toContain('/stolen?refresh_token=x')
  })

  test('an object without an access token', async () => {
    const failure = await refreshFailure({ body: { token_type: 'Bearer' } })
    expect(failure.code).toBe('provider-answer')
    expect(failure.message).toMatch(
      new RegExp(`^${host()} sent an answer that cannot be used: .*access_token`),
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
