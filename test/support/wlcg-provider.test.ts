import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { Agent, fetch } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { approveDevice, denyDevice } from './approve.ts'
import { startWlcgProvider, type WlcgProvider } from './wlcg-provider.ts'
import { WLCG_ANY } from './wlcg-scopes.ts'

type Fields = Readonly<Record<string, unknown>>

const SCOPE = 'openid offline_access wlcg wlcg.groups compute.read compute.create storage.read:/'
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

let provider: WlcgProvider
let agent: Agent
let client: Record<string, string>

beforeEach(async () => {
  provider = await startWlcgProvider()
  agent = new Agent({ connect: { ca: provider.caPem } })
  const registered = await post(
    '/reg',
    JSON.stringify({
      client_name: 'test',
      scope: 'openid offline_access wlcg wlcg.groups compute.read compute.create storage.read:/x',
      grant_types: ['refresh_token', DEVICE_GRANT],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'client_secret_post',
    }),
  )
  expect(registered).toMatchObject({ scope: SCOPE })
  client = {
    client_id: String(registered['client_id']),
    client_secret: String(registered['client_secret']),
  }
})

afterEach(async () => {
  await agent.close()
  await provider.close()
})

async function post(path: string, body: string | URLSearchParams): Promise<Fields> {
  const response = await fetch(new URL(path, provider.issuer), {
    method: 'POST',
    body,
    headers: typeof body === 'string' ? { 'content-type': 'application/json' } : {},
    dispatcher: agent,
  })
  return (await response.json()) as Fields
}

function form(path: string, fields: Record<string, string>): Promise<Fields> {
  return post(path, new URLSearchParams({ ...client, ...fields }))
}

async function login(wish: Record<string, string> = {}): Promise<Fields> {
  const started = await form('/device/auth', { scope: SCOPE, ...wish })
  const poll = { grant_type: DEVICE_GRANT, device_code: String(started['device_code']) }
  expect(await form('/token', poll)).toMatchObject({ error: 'authorization_pending' })
  await approveDevice({
    verificationUri: String(started['verification_uri']),
    userCode: String(started['user_code']),
    caPem: provider.caPem,
  })
  return form('/token', poll)
}

function refresh(token: unknown, wish: Record<string, string> = {}): Promise<Fields> {
  return form('/token', { grant_type: 'refresh_token', refresh_token: String(token), ...wish })
}

function payloadOf(reply: Fields): Fields {
  const [, payload = ''] = String(reply['access_token']).split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Fields
}

describe('WLCG provider of the tests', () => {
  test('the WLCG provider issues tokens of the WLCG profile, by default for any audience', async () => {
    const token = await login()
    expect(payloadOf(token)).toMatchObject({
      'wlcg.ver': '1.0',
      iss: provider.issuer,
      sub: 'alice',
      aud: WLCG_ANY,
      'wlcg.groups': ['/wlcg', '/wlcg/pilots'],
      nbf: expect.any(Number) as number,
      jti: expect.any(String) as string,
    })
    expect(String(payloadOf(token)['scope']).split(' ').sort()).toEqual(SCOPE.split(' ').sort())
  })

  test('the WLCG provider signs any claims on demand, with its published key', async () => {
    const token = provider.sign({ iss: provider.issuer, exp: 1 })
    const keys = await (
      await fetch(new URL('/jwks', provider.issuer), { dispatcher: agent })
    ).json()
    const jwks = createLocalJWKSet(keys as JSONWebKeySet)
    const { payload } = await jwtVerify(token, jwks, { currentDate: new Date(0) })
    expect(payload).toEqual({ iss: provider.issuer, exp: 1 })
    await expect(jwtVerify(token, jwks)).rejects.toThrow('"exp" claim timestamp check failed')
  })

  test('the WLCG provider honours the audience of the device authorization and of each refresh', async () => {
    const token = await login({ audience: 'https://se.example.org' })
    expect(payloadOf(token)['aud']).toBe('https://se.example.org')
    const one = await refresh(token['refresh_token'], { audience: 'ce.example.org:9619' })
    expect(payloadOf(one)['aud']).toBe('ce.example.org:9619')
    const two = await refresh(token['refresh_token'], { audience: 'a.example:1 b.example:2' })
    expect(payloadOf(two)['aud']).toEqual(['a.example:1', 'b.example:2'])
  })

  test('the WLCG provider narrows scopes and paths at a refresh, and never widens them', async () => {
    const token = await login()
    const narrow = await refresh(token['refresh_token'], {
      scope: 'compute.read storage.read:/a/b',
    })
    expect(narrow['scope']).toBe('compute.read storage.read:/a/b')
    expect(payloadOf(narrow)['scope']).toBe('compute.read storage.read:/a/b')
    expect(narrow['refresh_token']).toBe(token['refresh_token'])
    for (const scope of ['compute.modify', 'storage.create:/a', 'storage.read:/../etc']) {
      expect(await refresh(token['refresh_token'], { scope })).toMatchObject({
        error: 'invalid_scope',
      })
    }
    const all = await refresh(token['refresh_token'])
    expect(String(all['scope']).split(' ').sort()).toEqual(SCOPE.split(' ').sort())
  })

  test('the WLCG provider rotates refresh tokens on demand, and revokes the grant if an old one is used', async () => {
    provider.settings.rotate = true
    const token = await login()
    const next = await refresh(token['refresh_token'])
    expect(next['refresh_token']).not.toBe(token['refresh_token'])
    expect(await refresh(token['refresh_token'])).toMatchObject({ error: 'invalid_grant' })
    expect(await refresh(next['refresh_token'])).toMatchObject({ error: 'invalid_grant' })
  })

  test('the WLCG provider reports a denial, an expired code and a scope that the client may not have', async () => {
    const started = await form('/device/auth', { scope: 'openid' })
    await denyDevice({
      verificationUri: String(started['verification_uri_complete']),
      caPem: provider.caPem,
    })
    const poll = { grant_type: DEVICE_GRANT, device_code: String(started['device_code']) }
    expect(await form('/token', poll)).toMatchObject({ error: 'access_denied' })
    expect(await form('/device/auth', { scope: 'compute.cancel' })).toMatchObject({
      error: 'invalid_scope',
    })
  })

  test('the WLCG provider counts requests, and keeps its state while it is down', async () => {
    const token = await login()
    await provider.down()
    await expect(refresh(token['refresh_token'])).rejects.toThrow('fetch failed')
    await provider.up()
    await refresh(token['refresh_token'], { audience: 'x' })
    expect(provider.counters.tokenRequests).toEqual({ [DEVICE_GRANT]: 2, refresh_token: 1 })
    expect(provider.counters.requests.at(-1)?.form['audience']).toBe('x')
  })
})
