import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import type { DeviceAuthorization, JsonObject } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { approveDevice, denyDevice } from '../../test/support/approve.ts'
import { addressOf, clientAt, failureOf, noAbort } from '../../test/support/oidc-client.ts'
import { startWlcgProvider, type WlcgProvider } from '../../test/support/wlcg-provider.ts'
import { WLCG_ANY } from '../../test/support/wlcg-scopes.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { Client, OpenIdProvider, TokenResponse } from './provider.ts'

const SCOPE = 'openid offline_access wlcg compute.read compute.create storage.read:/'

let iam: WlcgProvider
let oidc: OpenIdProvider
let address: ProviderConfig

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
  // As people write it, without the slash that IAM publishes.
  address = addressOf(iam.issuer.slice(0, -1), iam.caPath)
})

afterEach(async () => {
  await oidc.close()
  await iam.close()
})

async function registered(flows: readonly string[] = ['device']): Promise<JsonObject> {
  return oidc.register(
    address,
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
  return clientAt(address, {
    id: textIn(fields, 'client_id'),
    secret: new Secret(textIn(fields, 'client_secret')),
  })
}

const publicClient = (): Client =>
  clientAt(address, { id: 'public', secret: undefined, isPublic: true })

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
  throw new Error(`${key} did not come`)
}

function refreshTokenOf({ refreshToken }: TokenResponse): Secret {
  if (refreshToken === undefined) throw new Error('no refresh token came')
  return refreshToken
}

describe('against a provider set up like IAM', () => {
  test('tells what the provider offers, under the issuer as it is published', async () => {
    expect(await oidc.discover(address, noAbort())).toMatchObject({
      issuer: iam.issuer,
      scopesSupported: expect.arrayContaining(['wlcg', 'storage.read:/']) as string[],
      hasDeviceFlow: true,
      hasRegistration: true,
      hasRevocation: true,
    })
  })

  test('registers what a device login needs, and no redirect URI', async () => {
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

  test('registers loopback redirect URIs for the code flow', async () => {
    expect(await registered(['code', 'device'])).toMatchObject({
      application_type: 'native',
      response_types: ['code'],
      redirect_uris: ['http://localhost:4242', 'http://localhost:8080'],
    })
  })

  test.each([
    ['confidential', newClient],
    ['public', () => Promise.resolve(publicClient())],
  ])('logs a %s client in by device code and refreshes its tokens', async (_kind, make) => {
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

  test('sends the audience with the device authorization too', async () => {
    const token = await login(await newClient(), 'https://se.example.org')
    expect(token.audience).toEqual(['https://se.example.org'])
  })

  test('names itself, and asks for discovery once', async () => {
    const client = await newClient()
    await Promise.all([start(client), start(client), start(client)])
    const { requests } = iam.counters
    expect(requests.filter(({ path }) => path.includes('.well-known'))).toHaveLength(1)
    expect(new Set(requests.map(({ userAgent }) => userAgent))).toEqual(
      new Set(['oidc-agent-ts/0.1.0']),
    )
  })

  test('polls with the bare words until the person has decided', async () => {
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

  test('tells of a device code that ran out', async () => {
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

  test('hands on a rotated refresh token, and calls a used one dead', async () => {
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

  test('tells a scope the client may not have from a client that is gone', async () => {
    const client = await newClient()
    const refreshToken = refreshTokenOf(await login(client))
    const wider = { refreshToken, scope: 'compute.cancel', audience: undefined }
    expect(await failureOf(oidc.refreshTokenGrant(client, wider, noAbort()))).toMatchObject({
      code: 'invalid-scope',
      message: expect.stringMatching(/^invalid_scope: /) as string,
    })
    const stranger = { ...client, secret: new Secret('wrong') }
    expect(await failureOf(oidc.refreshTokenGrant(stranger, wider, noAbort()))).toMatchObject({
      code: 'invalid-client',
    })
  })

  test('revokes a refresh token and deletes a client', async () => {
    const fields = await registered()
    const client = clientAt(address, {
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
