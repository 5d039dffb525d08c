import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import type { DeviceAuthorization, JsonObject } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { approveDevice, denyDevice } from '../../test/support/approve.ts'
import { clientAt, failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import { startWlcgProvider, type WlcgProvider } from '../../test/support/wlcg-provider.ts'
import { WLCG_ANY } from '../../test/support/wlcg-scopes.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { Client, OpenIdProvider, TokenResponse } from './provider.ts'

const SCOPE = 'openid offline_access wlcg compute.read compute.create storage.read:/'

let iam: WlcgProvider
let oidc: OpenIdProvider
let provider: ProviderConfig

beforeEach(async () => {
  iam = await startWlcgProvider({
    trailingSlash: true,
    clients: [
      {
        client_id: 'public',
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
      },
    ],
  })
  oidc = createOpenIdProvider()
  // As users write it, without the slash that IAM publishes.
  provider = providerConfig(iam.issuer.slice(0, -1), iam.caPath)
})

afterEach(async () => {
  await oidc.close()
  await iam.close()
})

async function registered(flows: readonly string[] = ['device']): Promise<JsonObject> {
  return oidc.register(
    provider,
    {
      clientName: 'oidc-agent:wlcg-test',
      scope: SCOPE,
      flows,
      redirectUris: ['http://localhost:4242', 'http://localhost:8080'],
      initialAccessToken: undefined,
    },
    noAbort(),
  )
}

async function newClient(): Promise<Client> {
  const fields = await registered()
  return clientAt(provider, {
    id: textIn(fields, 'client_id'),
    secret: new Secret(textIn(fields, 'client_secret')),
  })
}

const publicClient = (): Client =>
  clientAt(provider, { id: 'public', secret: undefined, isPublic: true })

function start(client: Client, audience?: string): Promise<DeviceAuthorization> {
  return oidc.deviceAuthorization(client, { scope: SCOPE, audience }, noAbort())
}

async function login(client: Client, audience?: string): Promise<TokenResponse> {
  const device = await start(client, audience)
  await approveDevice({
    verificationUri: device.verification_uri,
    userCode: device.user_code,
    caPem: iam.caPem,
  })
  return oidc.deviceAccessToken(client, device.device_code, noAbort())
}

function textIn(fields: JsonObject, key: string): string {
  const value = fields[key]
  if (typeof value === 'string') return value
  throw new Error(`${key} is missing`)
}

function refreshTokenOf({ refreshToken }: TokenResponse): Secret {
  if (refreshToken === undefined) throw new Error('the refresh token is missing')
  return refreshToken
}

describe('a real provider that is configured like IAM', () => {
  test('the metadata has the published issuer and the features of the provider', async () => {
    expect(await oidc.discover(provider, noAbort())).toMatchObject({
      issuer: iam.issuer,
      scopesSupported: expect.arrayContaining(['wlcg', 'storage.read:/']) as string[],
      hasDeviceFlow: true,
      hasRegistration: true,
      hasRevocation: true,
    })
  })

  test('a registration for the device flow has no redirect URI', async () => {
    expect(await registered()).toMatchObject({
      client_id: expect.any(String) as string,
      client_secret: expect.any(String) as string,
      scope: SCOPE,
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
      registration_access_token: expect.any(String) as string,
    })
  })

  test('a registration for the code flow has loopback redirect URIs', async () => {
    expect(await registered(['code', 'device'])).toMatchObject({
      application_type: 'native',
      response_types: ['code'],
      redirect_uris: ['http://localhost:4242', 'http://localhost:8080'],
    })
  })

  test.each([
    ['confidential', newClient],
    ['public', () => Promise.resolve(publicClient())],
  ])('a %s client logs in by device code and refreshes its tokens', async (_kind, make) => {
    const client = await make()
    const token = await login(client)
    expect(token).toMatchObject({
      scope: SCOPE,
      audience: [WLCG_ANY],
      refreshToken: expect.any(Secret) as Secret,
      idToken: expect.stringMatching(/^eyJ/) as string,
    })
    const narrow = await oidc.refreshTokenGrant(
      client,
      {
        refreshToken: refreshTokenOf(token),
        scope: 'compute.read storage.read:/data',
        audience: 'ce.example.org:9619 https://se.example.org',
      },
      noAbort(),
    )
    expect(narrow).toMatchObject({
      scope: 'compute.read storage.read:/data',
      audience: ['ce.example.org:9619', 'https://se.example.org'],
      idToken: undefined,
    })
    const inAnHour = Date.now() / 1000 + 3600
    expect(Math.abs((narrow.expiresAt ?? 0) - inAnHour)).toBeLessThan(10)
    expect(Math.abs(narrow.clockSkewSeconds ?? 99)).toBeLessThan(3)
  })

  test('the device authorization has the audience', async () => {
    const token = await login(await newClient(), 'https://se.example.org')
    expect(token.audience).toEqual(['https://se.example.org'])
  })

  test('requests have a user agent, and discovery is requested once', async () => {
    const client = await newClient()
    await Promise.all([start(client), start(client), start(client)])
    const { requests } = iam.counters
    expect(requests.filter(({ path }) => path.includes('.well-known'))).toHaveLength(1)
    expect(new Set(requests.map(({ userAgent }) => userAgent))).toEqual(
      new Set(['oidc-agent-ts/0.1.0']),
    )
  })

  test('a poll fails with authorization_pending until the user has decided', async () => {
    const client = await newClient()
    const device = await start(client)
    const poll = (): Promise<unknown> =>
      oidc.deviceAccessToken(client, device.device_code, noAbort())
    expect(await failureOf(poll())).toMatchObject({
      code: 'authorization-pending',
      message: 'authorization_pending',
    })
    await denyDevice({
      verificationUri: device.verification_uri_complete ?? '',
      caPem: iam.caPem,
    })
    expect(await failureOf(poll())).toMatchObject({
      code: 'provider-error',
      message: 'access_denied: End-User aborted interaction',
      hint: expect.stringContaining('refused in the browser') as string,
    })
  })

  test('an expired device code is reported', async () => {
    iam.settings.deviceCodeSeconds = 1
    const client = await newClient()
    const device = await start(client)
    await expect
      .poll(
        async () =>
          (await failureOf(oidc.deviceAccessToken(client, device.device_code, noAbort()))).message,
        { timeout: 5000 },
      )
      .toMatch(/^expired_token/)
  })

  test('a rotated refresh token is returned, and a used one is dead', async () => {
    iam.settings.rotate = true
    const client = await newClient()
    const first = refreshTokenOf(await login(client))
    const grant = { refreshToken: first, scope: undefined, audience: undefined }
    const second = refreshTokenOf(await oidc.refreshTokenGrant(client, grant, noAbort()))
    expect(second.reveal()).not.toBe(first.reveal())
    const failure = await failureOf(oidc.refreshTokenGrant(client, grant, noAbort()))
    expect(failure.code).toBe('refresh-token-dead')
    expect(failure.message).toMatch(/^invalid_grant: /)
  })

  test('a scope that the client may not have and an unknown client are different errors', async () => {
    const client = await newClient()
    const refreshToken = refreshTokenOf(await login(client))
    const wider = { refreshToken, scope: 'compute.cancel', audience: undefined }
    expect(await failureOf(oidc.refreshTokenGrant(client, wider, noAbort()))).toMatchObject({
      code: 'invalid-scope',
      message: expect.stringMatching(/^invalid_scope: /) as string,
    })
    const unknown = { ...client, secret: new Secret('wrong') }
    expect(await failureOf(oidc.refreshTokenGrant(unknown, wider, noAbort()))).toMatchObject({
      code: 'invalid-client',
    })
  })

  test('a refresh token is revoked and a client is deleted', async () => {
    const fields = await registered()
    const client = clientAt(provider, {
      id: textIn(fields, 'client_id'),
      secret: new Secret(textIn(fields, 'client_secret')),
    })
    const refreshToken = refreshTokenOf(await login(client))
    const grant = { refreshToken, scope: undefined, audience: undefined }
    await oidc.revokeToken(client, refreshToken, noAbort())
    expect(await failureOf(oidc.refreshTokenGrant(client, grant, noAbort()))).toMatchObject({
      code: 'refresh-token-dead',
    })
    const registration = {
      registrationClientUri: textIn(fields, 'registration_client_uri'),
      registrationAccessToken: new Secret(textIn(fields, 'registration_access_token')),
      certPath: iam.caPath,
    }
    await oidc.deleteClient(registration, noAbort())
    expect(await failureOf(oidc.refreshTokenGrant(client, grant, noAbort()))).toMatchObject({
      code: 'invalid-client',
    })
    expect(await failureOf(oidc.deleteClient(registration, noAbort()))).toMatchObject({
      code: 'provider-error',
      message: expect.stringMatching(/^invalid_token/) as string,
    })
  })
})
