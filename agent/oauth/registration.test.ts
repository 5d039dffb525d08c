import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../protocol/wire/secret.ts'
import { startIssuer } from '../../test/issuer/start-issuer.ts'
import { addressOf, failureOf, noAbort } from '../../test/support/oidc-client.ts'
import {
  discoveryDocument,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/support/scripted-server.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { ClientRegistration, OpenIdProvider, RegisteredClient } from './provider.ts'

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

const WISH: ClientRegistration = {
  clientName: 'oidc-agent:wlcg-host',
  scope: 'openid wlcg',
  flows: ['device'],
  redirectUris: ['http://localhost:4242'],
  initialAccessToken: undefined,
}

function register(
  changes: Partial<ClientRegistration> = {},
): ReturnType<OpenIdProvider['register']> {
  return oidc.register(addressOf(server.origin, server.caPath), { ...WISH, ...changes }, noAbort())
}

function sent(): unknown {
  return JSON.parse(server.requests.at(-1)?.body ?? '')
}

describe('a registration', () => {
  test("takes IAM's answer, which has no client_secret_expires_at, as it comes", async () => {
    const response = {
      client_id: 'c',
      client_secret: 's',
      scope: 'wlcg',
      created_at: 1_800_000_000_000,
      reuse_refresh_token: true,
    }
    server.script['/register'] = { status: 201, body: response }
    expect(await register()).toEqual(response)
    expect(sent()).toEqual({
      client_name: 'oidc-agent:wlcg-host',
      scope: 'openid wlcg',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    })
  })

  test('asks for what the flows need', async () => {
    server.script['/register'] = { status: 201, body: { client_id: 'c' } }
    await register({ flows: ['refresh', 'password', 'code'] })
    expect(sent()).toMatchObject({
      grant_types: ['password', 'authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://localhost:4242'],
      application_type: 'native',
    })
  })

  test('of a robot asks for no refresh token', async () => {
    server.script['/register'] = { status: 201, body: { client_id: 'c' } }
    await register({ flows: ['client_credentials', 'token-exchange'] })
    expect(sent()).toMatchObject({
      grant_types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      response_types: [],
    })
  })

  test('goes without a grant that this provider gives to few', async () => {
    const issuer = await startIssuer({ mode: 'iam' })
    try {
      const parameters = { ...WISH, flows: ['password', 'client_credentials', 'device'] }
      const address = addressOf(issuer.issuer, issuer.caPath)
      expect(await oidc.register(address, parameters, noAbort())).toMatchObject({
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      })
      const only = { ...WISH, flows: ['password'] }
      expect((await failureOf(oidc.register(address, only, noAbort()))).message).toBe(
        'Grant type not allowed: password',
      )
    } finally {
      await issuer.close()
    }
  })

  test('says which scopes were left out', async () => {
    const issuer = await startIssuer({ mode: 'iam', settings: { restrictedScopes: ['storage.'] } })
    try {
      const parameters = { ...WISH, scope: 'openid wlcg storage.read:/' }
      const address = addressOf(issuer.issuer, issuer.caPath)
      expect(await oidc.register(address, parameters, noAbort())).toMatchObject({
        scope: 'openid wlcg',
      })
    } finally {
      await issuer.close()
    }
  })

  test('goes without a custom scheme where that is refused', async () => {
    const redirectUris = ['http://localhost:4242', 'edu.kit.data.oidc-agent:/redirect']
    server.script['/register'] = ({ body }) =>
      body.includes('edu.kit')
        ? { status: 400, body: { error: 'invalid_redirect_uri', error_description: 'no' } }
        : { status: 201, body: { client_id: 'c' } }
    await register({ flows: ['code'], redirectUris })
    expect(sent()).toMatchObject({ redirect_uris: ['http://localhost:4242'] })
  })

  test('is not tried for ever', async () => {
    server.script['/register'] = { status: 400, body: { error: 'invalid_redirect_uri' } }
    expect((await failureOf(register({ flows: ['code'] }))).message).toBe('invalid_redirect_uri')
    expect(server.requests.filter(({ path }) => path === '/register')).toHaveLength(1)
  })

  test('carries the initial access token, and never shows it', async () => {
    server.script['/register'] = {
      status: 401,
      body: { error: 'invalid_token', error_description: 'no such token: initial-1' },
    }
    const failure = await failureOf(register({ initialAccessToken: new Secret('initial-1') }))
    expect(server.requests.at(-1)?.headers['authorization']).toBe('Bearer initial-1')
    expect(failure).toMatchObject({
      code: 'provider-error',
      message: 'invalid_token: no such token: [secret]',
    })
  })

  test("tells IAM's reason, which is free text", async () => {
    server.script['/register'] = {
      status: 400,
      body: { error: 'Grant type not allowed: password' },
    }
    const failure = await failureOf(register())
    expect(failure.message).toBe('Grant type not allowed: password')
    expect(failure.hint).toContain('oidc-gen -m')
  })

  test('is refused where the provider has none', async () => {
    const document = { ...discoveryDocument(server.origin), registration_endpoint: undefined }
    server.script['/.well-known/openid-configuration'] = { body: document }
    expect(await failureOf(register())).toMatchObject({
      code: 'unsupported-by-provider',
      message:
        'Dynamic client registration is not supported by this issuer. Please register a client manually and then run oidc-gen with the -m flag.',
    })
  })

  test('without a client_id is none', async () => {
    server.script['/register'] = { status: 201, body: { client_name: 'x' } }
    expect((await failureOf(register())).message).toMatch(
      /registered a client without a client_id$/,
    )
  })

  test('is not sent on by a redirect', async () => {
    server.script['/register'] = { status: 307, headers: { location: '/elsewhere' } }
    expect((await failureOf(register())).message).toContain('not followed for a registration')
    expect(server.requests.map(({ path }) => path)).not.toContain('/elsewhere')
  })
})

describe('the deletion of a client', () => {
  const registered = (): RegisteredClient => ({
    registrationClientUri: `${server.origin}/register/c`,
    registrationAccessToken: new Secret('registration-token-1'),
    certPath: server.caPath,
  })

  test('shows the registration access token to the client URI', async () => {
    server.script['/register/c'] = { status: 204 }
    await oidc.deleteClient(registered(), noAbort())
    const request = server.requests.at(-1)
    expect(request).toMatchObject({ method: 'DELETE', path: '/register/c' })
    expect(request?.headers['authorization']).toBe('Bearer registration-token-1')
  })

  test('tells why it was refused', async () => {
    server.script['/register/c'] = {
      status: 403,
      body: { error: 'access denied: registration-token-1' },
    }
    expect((await failureOf(oidc.deleteClient(registered(), noAbort()))).message).toBe(
      'access denied: [secret]',
    )
  })

  test('goes nowhere without TLS', async () => {
    const elsewhere = { ...registered(), registrationClientUri: 'http://op.example/c' }
    expect((await failureOf(oidc.deleteClient(elsewhere, noAbort()))).code).toBe('insecure-url')
  })
})
