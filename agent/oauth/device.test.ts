import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { addressOf, clientAt, failureOf, noAbort } from '../../test/support/oidc-client.ts'
import { type ScriptedServer, startScriptedServer } from '../../test/support/scripted-server.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { Client, OpenIdProvider } from './provider.ts'

const CODES = { device_code: 'dc', user_code: 'AB-CD', verification_uri: 'https://op.example/d' }

let server: ScriptedServer
let oidc: OpenIdProvider

beforeEach(async () => {
  server = await startScriptedServer({ '/device': { body: CODES } })
  oidc = createOpenIdProvider()
})

afterEach(async () => {
  await oidc.close()
  await server.close()
})

const client = (changes: Partial<Client> = {}): Client =>
  clientAt(addressOf(server.origin, server.caPath), changes)

const noWish = { scope: undefined, audience: undefined }

describe('the start of a device login', () => {
  test('IAM leaves interval and lifetime out', async () => {
    expect(await oidc.deviceAuthorization(client(), noWish, noAbort())).toEqual({
      ...CODES,
      expires_in: 600,
      interval: 5,
    })
  })

  test.each([
    [
      { interval: 0, expires_in: -1 },
      { interval: 5, expires_in: 600 },
    ],
    [
      { interval: '7', expires_in: '60' },
      { interval: 7, expires_in: 60 },
    ],
    [
      { interval: 1, expires_in: 30 },
      { interval: 1, expires_in: 30 },
    ],
  ])('of %j becomes %j', async (given, taken) => {
    server.script['/device'] = { body: { ...CODES, ...given } }
    expect(await oidc.deviceAuthorization(client(), noWish, noAbort())).toMatchObject(taken)
  })

  test('Google spells the address in its own way', async () => {
    const { verification_uri, ...codes } = CODES
    server.script['/device'] = { body: { ...codes, verification_url: verification_uri } }
    expect(await oidc.deviceAuthorization(client(), noWish, noAbort())).toMatchObject({
      verification_uri,
    })
  })

  test('the client is named in the form besides the Basic header, the wish in the dialect', async () => {
    await oidc.deviceAuthorization(client(), { scope: ' a  b ', audience: 'x y' }, noAbort())
    const form = server.requests.at(-1)
    expect(form?.form).toEqual({ client_id: 'client-1', scope: 'a b', audience: 'x y' })
    expect(form?.headers['authorization']).toMatch(/^Basic /)
    const resources = client({ audienceParameter: 'resource' })
    await oidc.deviceAuthorization(resources, { scope: undefined, audience: 'x y' }, noAbort())
    expect(server.requests.at(-1)?.body).toBe('resource=x&resource=y&client_id=client-1')
  })

  test('an address the person gave goes before the published one', async () => {
    server.script['/mine'] = { body: CODES }
    const given = client({ deviceAuthorizationEndpoint: `${server.origin}/mine` })
    await oidc.deviceAuthorization(given, noWish, noAbort())
    expect(server.requests.at(-1)?.path).toBe('/mine')
  })

  test('a provider without the flow is said to have none', async () => {
    server.script['/.well-known/openid-configuration'] = {
      body: { issuer: server.origin, token_endpoint: `${server.origin}/token` },
    }
    expect(await failureOf(oidc.deviceAuthorization(client(), noWish, noAbort()))).toMatchObject({
      code: 'unsupported-by-provider',
      message: 'Device Flow not Supported by OpenID Provider',
    })
  })

  test('a client IAM does not know gets an empty 404', async () => {
    server.script['/device'] = { status: 404 }
    expect(await failureOf(oidc.deviceAuthorization(client(), noWish, noAbort()))).toMatchObject({
      code: 'invalid-client',
    })
  })

  test('an answer without codes cannot be used', async () => {
    server.script['/device'] = { body: { device_code: 'dc' } }
    expect(await failureOf(oidc.deviceAuthorization(client(), noWish, noAbort()))).toMatchObject({
      code: 'provider-answer',
      message: expect.stringContaining('user_code') as string,
    })
  })

  test('an account without a client_id asks nobody', async () => {
    expect(
      await failureOf(oidc.deviceAuthorization(client({ id: '' }), noWish, noAbort())),
    ).toMatchObject({
      code: 'invalid-client',
      message: 'the account has no client_id',
    })
  })
})

test('a poll sends the code, and a token beside an odd ID token is not lost', async () => {
  server.script['/token'] = {
    body: { access_token: 'at', token_type: 'bearer', refresh_token: 'rt', id_token: 'broken' },
  }
  const token = await oidc.deviceAccessToken(client({ secret: undefined }), 'dc', noAbort())
  expect(token).toMatchObject({ accessToken: 'at', idToken: 'broken', expiresAt: undefined })
  expect(token.refreshToken?.reveal()).toBe('rt')
  expect(server.requests.at(-1)?.form).toEqual({
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: 'dc',
    client_id: 'client-1',
  })
})
