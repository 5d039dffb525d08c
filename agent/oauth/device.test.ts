import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clientAt, failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
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
  clientAt(providerConfig(server.origin, server.caPath), changes)

const defaults = { scope: undefined, audience: undefined }

describe('a device authorization', () => {
  test('a device authorization without interval and expires_in, as from IAM, has defaults', async () => {
    expect(await oidc.deviceAuthorization(client(), defaults, noAbort())).toEqual({
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
  ])('a device authorization with %j is read as %j', async (given, taken) => {
    server.script['/device'] = { body: { ...CODES, ...given } }
    expect(await oidc.deviceAuthorization(client(), defaults, noAbort())).toMatchObject(taken)
  })

  test('a device authorization with verification_url, as from Google, is read', async () => {
    const { verification_uri, ...codes } = CODES
    server.script['/device'] = { body: { ...codes, verification_url: verification_uri } }
    expect(await oidc.deviceAuthorization(client(), defaults, noAbort())).toMatchObject({
      verification_uri,
    })
  })

  test('a device authorization has client_id in the form besides the Basic header', async () => {
    await oidc.deviceAuthorization(client(), { scope: ' a  b ', audience: 'x y' }, noAbort())
    const form = server.requests.at(-1)
    expect(form?.form).toEqual({ client_id: 'client-1', scope: 'a b', audience: 'x y' })
    expect(form?.headers['authorization']).toMatch(/^Basic /)
    const resources = client({ audienceParameter: 'resource' })
    await oidc.deviceAuthorization(resources, { scope: undefined, audience: 'x y' }, noAbort())
    expect(server.requests.at(-1)?.body).toBe('resource=x&resource=y&client_id=client-1')
  })

  test('a configured device authorization endpoint precedes the published one', async () => {
    server.script['/mine'] = { body: CODES }
    const given = client({ deviceAuthorizationEndpoint: `${server.origin}/mine` })
    await oidc.deviceAuthorization(given, defaults, noAbort())
    expect(server.requests.at(-1)?.path).toBe('/mine')
  })

  test('a provider without a device authorization endpoint does not support the device flow', async () => {
    server.script['/.well-known/openid-configuration'] = {
      body: { issuer: server.origin, token_endpoint: `${server.origin}/token` },
    }
    expect(await failureOf(oidc.deviceAuthorization(client(), defaults, noAbort()))).toMatchObject({
      code: 'unsupported-by-provider',
      message: 'Device Flow not Supported by OpenID Provider',
    })
  })

  test('a device authorization that fails with an empty 404, as from IAM, means that the client is unknown', async () => {
    server.script['/device'] = { status: 404 }
    expect(await failureOf(oidc.deviceAuthorization(client(), defaults, noAbort()))).toMatchObject({
      code: 'invalid-client',
    })
  })

  test('a device authorization without codes is refused', async () => {
    server.script['/device'] = { body: { device_code: 'dc' } }
    expect(await failureOf(oidc.deviceAuthorization(client(), defaults, noAbort()))).toMatchObject({
      code: 'provider-answer',
      message: expect.stringContaining('user_code') as string,
    })
  })

  test('an account without client_id sends no request', async () => {
    expect(
      await failureOf(oidc.deviceAuthorization(client({ id: '' }), defaults, noAbort())),
    ).toMatchObject({
      code: 'invalid-client',
      message: 'the account has no client_id',
    })
  })
})

test('a poll sends the device code, and a malformed ID token does not lose the other tokens', async () => {
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
