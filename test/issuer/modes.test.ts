import { decodeJwt } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { bearer, credentialsOf, HttpProbe } from './http-probe.ts'
import type { Fields } from './response.ts'
import { DEVICE_GRANT } from './settings.ts'
import { type Issuer, type IssuerOptions, startIssuer } from './start-issuer.ts'

let issuer: Issuer
let probe: HttpProbe

afterEach(async () => {
  await probe.close()
  await issuer.close()
})

async function start(options: IssuerOptions): Promise<void> {
  issuer = await startIssuer(options)
  probe = new HttpProbe(issuer)
}

function claims(response: Fields): Fields {
  return payloadOf(String(response['access_token']))
}

describe('mode rotating', () => {
  test('the mode rotating returns a new refresh token at each refresh, and revokes all if an old one is used', async () => {
    await start({ mode: 'rotating' })
    const client = issuer.addClient({ authMethod: 'client_secret_post' })
    const first = await probe.login(client)
    const second = (await probe.refresh(client, first['refresh_token'], {})).json
    expect(second['refresh_token']).not.toBe(first['refresh_token'])
    const reused = await probe.refresh(client, first['refresh_token'])
    expect(reused).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
    const innocent = await probe.refresh(client, second['refresh_token'])
    expect(innocent).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
    expect(await probe.isActive(client, second['access_token'])).toBe(false)
  })
})

describe('mode keycloak', () => {
  test('the issuer of Keycloak has a path and no slash at the end', async () => {
    await start({ mode: 'keycloak' })
    expect(issuer.issuer).toBe(`${issuer.origin}/realms/test`)
    const response = await probe.ask(`${issuer.issuer}/.well-known/openid-configuration`)
    expect(response.json['issuer']).toBe(issuer.issuer)
  })

  test('Keycloak rotates refresh tokens and keeps the old ones valid, by default', async () => {
    await start({ mode: 'keycloak' })
    const client = issuer.addClient()
    const first = await probe.login(client)
    const second = (await probe.refresh(client, first['refresh_token'])).json
    expect(second['refresh_token']).not.toBe(first['refresh_token'])
    expect((await probe.refresh(client, first['refresh_token'])).status).toBe(200)
    issuer.set({ rotation: 'new one, reuse revokes the family' })
    await probe.refresh(client, second['refresh_token'])
    expect((await probe.refresh(client, second['refresh_token'])).json).toEqual({
      error: 'invalid_grant',
      error_description: 'Maximum allowed refresh token reuse exceeded',
    })
  })

  test('Keycloak returns the lifetime of a refresh token, and 0 if it outlives the session', async () => {
    await start({ mode: 'keycloak' })
    const client = issuer.addClient()
    const session = await probe.login(client, { scope: 'openid' })
    // Of 1800; seconds may pass before the response.
    expect(session['refresh_expires_in']).toBeGreaterThan(1770)
    expect(session['refresh_expires_in']).toBeLessThanOrEqual(1800)
    const { exp, iat } = decodeJwt(String(session['access_token']))
    expect((exp ?? 0) - (iat ?? 0)).toBe(300)
    const refreshEnd = decodeJwt(String(session['refresh_token'])).exp ?? 0
    expect(refreshEnd - (iat ?? 0)).toBeGreaterThanOrEqual(1800)
    const offline = await probe.login(client, { scope: 'openid offline_access' })
    expect(offline['refresh_expires_in']).toBe(0)
    issuer.age(1801)
    expect((await probe.refresh(client, session['refresh_token'])).json).toEqual({
      error: 'invalid_grant',
      error_description: 'Token is not active',
    })
    expect((await probe.refresh(client, offline['refresh_token'])).status).toBe(200)
  })

  test('Keycloak ignores a requested audience unless one is configured', async () => {
    await start({ mode: 'keycloak' })
    const client = issuer.addClient()
    const parameters = { audience: 'a.example', resource: 'https://a.example' }
    const { refresh_token: token, ...first } = await probe.login(client, parameters)
    expect(claims(first)['aud']).toBe('account')
    issuer.set({ audienceParameters: ['audience'] })
    expect(claims((await probe.refresh(client, token, parameters)).json)['aud']).toBe('a.example')
  })

  test('Keycloak registers clients only with an initial access token, and rotates the registration access token', async () => {
    await start({ mode: 'keycloak' })
    const metadata = { client_name: 'test', grant_types: [DEVICE_GRANT] }
    const refused = await probe.register(metadata)
    expect(refused).toMatchObject({ status: 403, json: { error: 'insufficient_scope' } })
    const { status, json } = await probe.register(metadata, issuer.newInitialAccessToken())
    expect(status).toBe(201)
    expect(json['client_secret_expires_at']).toBe(0)
    const uri = String(json['registration_client_uri'])
    const headers = bearer(String(json['registration_access_token']))
    const read = await probe.ask(uri, { headers })
    expect(read.json['registration_access_token']).not.toBe(json['registration_access_token'])
    expect((await probe.ask(uri, { headers })).status).toBe(403)
  })

  test('Keycloak answers polls with slow_down, and reports a denial', async () => {
    await start({ mode: 'keycloak', settings: { slowDowns: 1 } })
    const client = issuer.addClient()
    const { json } = await probe.post('device', credentialsOf(client))
    expect(json['interval']).toBe(5)
    const poll = (): ReturnType<HttpProbe['poll']> => probe.poll(client, json['device_code'])
    expect((await poll()).json).toEqual({ error: 'slow_down', error_description: 'Slow down' })
    expect((await poll()).json['error']).toBe('authorization_pending')
    issuer.deny(String(json['user_code']))
    expect((await poll()).json['error']).toBe('access_denied')
  })
})

describe('mode google', () => {
  test('Google has no registration and no scope offline_access', async () => {
    await start({ mode: 'google' })
    const { json } = await probe.ask(issuer.url('discovery'))
    expect(json).not.toHaveProperty('registration_endpoint')
    const client = issuer.addClient()
    const response = await probe.post('device', { client_id: client.id, scope: 'offline_access' })
    expect(response).toMatchObject({ status: 400, json: { error: 'invalid_scope' } })
  })

  test('Google returns a verification_url, and requires the secret at the polls', async () => {
    await start({ mode: 'google' })
    const client = issuer.addClient()
    const { json } = await probe.post('device', { client_id: client.id, scope: 'openid' })
    expect(Object.keys(json).sort()).toEqual([
      'device_code',
      'expires_in',
      'interval',
      'user_code',
      'verification_url',
    ])
    const bare = await probe.poll({ ...client, secret: undefined }, json['device_code'])
    expect(bare).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    const pending = await probe.poll(client, json['device_code'])
    expect(pending).toMatchObject({ status: 428, json: { error: 'authorization_pending' } })
    issuer.deny(String(json['user_code']))
    const denied = await probe.poll(client, json['device_code'])
    expect(denied).toMatchObject({ status: 403, json: { error: 'access_denied' } })
  })

  test('Google returns opaque access tokens, and a refresh token only at the login', async () => {
    await start({ mode: 'google' })
    const client = issuer.addClient()
    const first = await probe.login(client, { scope: 'openid' })
    expect(String(first['access_token']).split('.')).toHaveLength(2)
    const { json } = await probe.refresh(client, first['refresh_token'])
    expect(json).not.toHaveProperty('refresh_token')
    expect(json['expires_in']).toBe(3599)
    expect((await probe.refresh(client, 'gone')).json).toEqual({
      error: 'invalid_grant',
      error_description: 'Token has been expired or revoked.',
    })
  })

  test.each([
    ['offline', true],
    ['online', false],
  ])(
    'whether Google returns a refresh token for a code with access_type=%s: %s',
    async (accessType, isGiven) => {
      await start({ mode: 'google', settings: { person: 'approves' } })
      const redirect = 'http://127.0.0.1:4242'
      const client = issuer.addClient({ redirectUris: [redirect] })
      const query = new URLSearchParams({
        client_id: client.id,
        response_type: 'code',
        redirect_uri: redirect,
        access_type: accessType,
      })
      const response = await probe.ask(`${issuer.url('authorization')}?${query.toString()}`)
      const code = new URL(response.headers.get('location') ?? '').searchParams.get('code') ?? ''
      const exchange = { grant_type: 'authorization_code', code, redirect_uri: redirect }
      const { json } = await probe.post('token', { ...exchange, ...credentialsOf(client) })
      expect('refresh_token' in json).toBe(isGiven)
    },
  )
})

describe('mode entra', () => {
  const SCOPE = 'openid offline_access api://store/Read'

  test('Entra takes the audience from the scopes, and refuses resource and scopes of two APIs', async () => {
    await start({ mode: 'entra' })
    const client = issuer.addClient({ authMethod: 'none', secret: undefined })
    const token = await probe.login(client, { scope: SCOPE, audience: 'ignored.example' })
    expect(claims(token)).toMatchObject({ aud: 'api://store', scp: 'openid offline_access Read' })
    expect(token['scope']).toBe('api://store/Read')
    const refused = await probe.refresh(client, token['refresh_token'], { resource: 'api://x' })
    expect(refused).toMatchObject({ status: 400, json: { error_codes: [901002] } })
    const both = { scope: 'api://store/Read api://queue/Read' }
    const two = await probe.refresh(client, token['refresh_token'], both)
    expect(two).toMatchObject({ status: 400, json: { error_codes: [28000] } })
  })

  test('a refresh at Entra may request another API, and returns a refresh token only with offline_access', async () => {
    await start({ mode: 'entra' })
    const client = issuer.addClient({ authMethod: 'none', secret: undefined })
    const { refresh_token: token } = await probe.login(client, { scope: SCOPE })
    const bare = await probe.refresh(client, token, { scope: 'api://queue/Read' })
    expect(claims(bare.json)['aud']).toBe('api://queue')
    expect(bare.json).not.toHaveProperty('refresh_token')
    const scope = 'api://queue/Read offline_access'
    const { json } = await probe.refresh(client, token, { scope })
    expect(json['refresh_token']).not.toBe(token)
    expect((await probe.refresh(client, token)).status).toBe(200)
  })

  test('Entra refuses a secret of a public client, with a description of several lines', async () => {
    await start({ mode: 'entra' })
    const client = issuer.addClient({ authMethod: 'none', secret: undefined })
    const response = await probe.refresh({ ...client, secret: 'x' }, 'any')
    expect(response).toMatchObject({ status: 401, json: { error_codes: [700025] } })
    expect(response.json['error_description']).toMatch(/\r\nTrace ID: .*\r\n/)
  })

  test('Entra has its own message and error codes in the device flow', async () => {
    await start({ mode: 'entra' })
    const client = issuer.addClient({ authMethod: 'none', secret: undefined })
    const { json } = await probe.post('device', { client_id: client.id, scope: SCOPE })
    expect(json['message']).toContain(json['user_code'])
    expect(json).not.toHaveProperty('verification_uri_complete')
    issuer.deny(String(json['user_code']))
    const denied = await probe.poll(client, json['device_code'])
    expect(denied.json['error']).toBe('authorization_declined')
    expect((await probe.poll(client, 'x')).json['error']).toBe('bad_verification_code')
  })

  test('Entra has neither registration nor revocation', async () => {
    await start({ mode: 'entra' })
    const { json } = await probe.ask(issuer.url('discovery'))
    expect(json).not.toHaveProperty('registration_endpoint')
    expect(json).not.toHaveProperty('revocation_endpoint')
  })
})
