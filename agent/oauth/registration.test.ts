import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../protocol/wire/secret.ts'
import { startIssuer } from '../../test/issuer/start-issuer.ts'
import { failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
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

const REGISTRATION: ClientRegistration = {
  clientName: 'oidc-agent:wlcg-host',
  scope: 'openid wlcg',
  flows: ['device'],
  redirectUris: ['http://localhost:4242'],
  initialAccessToken: undefined,
}

function register(
  changes: Partial<ClientRegistration> = {},
): ReturnType<OpenIdProvider['register']> {
  return oidc.register(
    providerConfig(server.origin, server.caPath),
    { ...REGISTRATION, ...changes },
    noAbort(),
  )
}

function sent(): unknown {
  return JSON.parse(server.requests.at(-1)?.body ?? '')
}

describe('a registration', () => {
  test('a registration response without client_secret_expires_at, as from IAM, is returned unchanged', async () => {
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

  test('a registration has the grant types that the flows need', async () => {
    server.script['/register'] = { status: 201, body: { client_id: 'c' } }
    await register({ flows: ['refresh', 'password', 'code'] })
    expect(sent()).toMatchObject({
      grant_types: ['password', 'authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://localhost:4242'],
      application_type: 'native',
    })
  })

  test('a registration for unattended grants does not request refresh tokens', async () => {
    server.script['/register'] = { status: 201, body: { client_id: 'c' } }
    await register({ flows: ['client_credentials', 'token-exchange'] })
    expect(sent()).toMatchObject({
      grant_types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      response_types: [],
    })
  })

  test('a registration is repeated without a grant type that the provider refuses', async () => {
    const issuer = await startIssuer({ mode: 'iam' })
    try {
      const parameters = { ...REGISTRATION, flows: ['password', 'client_credentials', 'device'] }
      const provider = providerConfig(issuer.issuer, issuer.caPath)
      expect(await oidc.register(provider, parameters, noAbort())).toMatchObject({
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      })
      const only = { ...REGISTRATION, flows: ['password'] }
      expect((await failureOf(oidc.register(provider, only, noAbort()))).message).toBe(
        'Grant type not allowed: password',
      )
    } finally {
      await issuer.close()
    }
  })

  test('a registration response has the scopes that the provider granted', async () => {
    const issuer = await startIssuer({ mode: 'iam', settings: { restrictedScopes: ['storage.'] } })
    try {
      const parameters = { ...REGISTRATION, scope: 'openid wlcg storage.read:/' }
      const provider = providerConfig(issuer.issuer, issuer.caPath)
      expect(await oidc.register(provider, parameters, noAbort())).toMatchObject({
        scope: 'openid wlcg',
      })
    } finally {
      await issuer.close()
    }
  })

  test('a registration is repeated without a custom scheme if the provider refuses it', async () => {
    const redirectUris = ['http://localhost:4242', 'edu.kit.data.oidc-agent:/redirect']
    server.script['/register'] = ({ body }) =>
      body.includes('edu.kit')
        ? { status: 400, body: { error: 'invalid_redirect_uri', error_description: 'no' } }
        : { status: 201, body: { client_id: 'c' } }
    await register({ flows: ['code'], redirectUris })
    expect(sent()).toMatchObject({ redirect_uris: ['http://localhost:4242'] })
  })

  test('a registration is not repeated if nothing can be left out', async () => {
    server.script['/register'] = { status: 400, body: { error: 'invalid_redirect_uri' } }
    expect((await failureOf(register({ flows: ['code'] }))).message).toBe('invalid_redirect_uri')
    expect(server.requests.filter(({ path }) => path === '/register')).toHaveLength(1)
  })

  test('the initial access token is sent and does not appear in a message', async () => {
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

  test('the error of a registration may be free text, as from IAM', async () => {
    server.script['/register'] = {
      status: 400,
      body: { error: 'Grant type not allowed: password' },
    }
    const failure = await failureOf(register())
    expect(failure.message).toBe('Grant type not allowed: password')
    expect(failure.hint).toContain('oidc-gen -m')
  })

  test('a provider without a registration endpoint does not support registration', async () => {
    const document = { ...discoveryDocument(server.origin), registration_endpoint: undefined }
    server.script['/.well-known/openid-configuration'] = { body: document }
    expect(await failureOf(register())).toMatchObject({
      code: 'unsupported-by-provider',
      message:
        'Dynamic client registration is not supported by this issuer. Please register a client manually and then run oidc-gen with the -m flag.',
    })
  })

  test('a registration response without client_id is refused', async () => {
    server.script['/register'] = { status: 201, body: { client_name: 'x' } }
    expect((await failureOf(register())).message).toMatch(
      /registered a client without a client_id$/,
    )
  })

  test('a redirect of the registration endpoint is not followed', async () => {
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

  test('the deletion of a client sends the registration access token to the client URI', async () => {
    server.script['/register/c'] = { status: 204 }
    await oidc.deleteClient(registered(), noAbort())
    const request = server.requests.at(-1)
    expect(request).toMatchObject({ method: 'DELETE', path: '/register/c' })
    expect(request?.headers['authorization']).toBe('Bearer registration-token-1')
  })

  test('the error of a deletion is reported without the registration access token', async () => {
    server.script['/register/c'] = {
      status: 403,
      body: { error: 'access denied: registration-token-1' },
    }
    expect((await failureOf(oidc.deleteClient(registered(), noAbort()))).message).toBe(
      'access denied: [secret]',
    )
  })

  test('the deletion of a client is refused without TLS', async () => {
    const elsewhere = { ...registered(), registrationClientUri: 'http://op.example/c' }
    expect((await failureOf(oidc.deleteClient(elsewhere, noAbort()))).code).toBe('insecure-url')
  })
})
