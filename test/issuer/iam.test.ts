import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { bearer, HttpProbe } from './http-probe.ts'
import type { Fields } from './response.ts'
import { DEVICE_GRANT, EXCHANGE_GRANT } from './settings.ts'
import { type Issuer, startIssuer } from './start-issuer.ts'
import type { KnownClient } from './store.ts'

const SCOPE = 'openid offline_access wlcg compute.read compute.create storage.read:/'
const DEVICE = { grant_types: [DEVICE_GRANT, 'refresh_token'] }

let issuer: Issuer
let probe: HttpProbe

beforeEach(async () => {
  issuer = await startIssuer({ mode: 'iam' })
  probe = new HttpProbe(issuer)
})

afterEach(async () => {
  await probe.close()
  await issuer.close()
})

async function registered(scope: string): Promise<KnownClient> {
  const { json } = await probe.register({ client_name: 'test', scope, ...DEVICE })
  return issuer.client(String(json['client_id']))
}

function claims(response: Fields): Fields {
  return payloadOf(String(response['access_token']))
}

describe('discovery of IAM', () => {
  test('the issuer of IAM ends in a slash in discovery and in ID tokens, but not in access tokens', async () => {
    const published = await probe.ask(`${issuer.issuer}.well-known/openid-configuration`)
    const token = await probe.login(await registered(SCOPE))
    expect(published.json['issuer']).toBe(`${issuer.origin}/`)
    expect(decodeJwt(String(token['id_token'])).iss).toBe(`${issuer.origin}/`)
    expect(claims(token)['iss']).toBe(issuer.origin)
  })

  test('IAM merges a doubled slash before .well-known, and has no RFC 8414 document', async () => {
    const doubled = await probe.ask(`${issuer.issuer}/.well-known/openid-configuration`)
    expect(doubled.status).toBe(200)
    const other = await probe.ask(`${issuer.origin}/.well-known/oauth-authorization-server`)
    expect(other).toMatchObject({ status: 404, text: '' })
  })

  test('IAM publishes no restricted scopes, and path scopes with the root path', async () => {
    const { json } = await probe.ask(issuer.url('discovery'))
    expect(json['scopes_supported']).toContain('storage.read:/')
    expect(json['scopes_supported']).not.toContain('scim:read')
    expect(json['code_challenge_methods_supported']).toEqual(['plain', 'S256'])
    expect(json).toHaveProperty('device_authorization_endpoint', `${issuer.origin}/devicecode`)
  })
})

test('the keys of IAM are for RS256, and may be cached for six hours', async () => {
  const { headers, json } = await probe.ask(issuer.url('jwks'))
  expect(headers.get('cache-control')).toBe('public, max-age=21600')
  expect(json['keys']).toEqual([expect.objectContaining({ kty: 'RSA', alg: 'RS256' })])
})

describe('registration at IAM', () => {
  const metadata = { client_name: 'test', scope: SCOPE, ...DEVICE }

  test('the registration response of IAM has no client_secret_expires_at, and milliseconds', async () => {
    const { status, json } = await probe.register(metadata)
    expect(status).toBe(201)
    expect(json).not.toHaveProperty('client_secret_expires_at')
    expect(json).not.toHaveProperty('client_id_issued_at')
    expect(json['created_at']).toBeGreaterThan(1e12)
    expect(json).toMatchObject({ reuse_refresh_token: true, clear_access_tokens_on_refresh: true })
  })

  test('IAM silently drops restricted and unknown scopes of a registration', async () => {
    issuer.set({ restrictedScopes: ['storage.'] })
    const { json } = await probe.register({
      ...metadata,
      scope: `${SCOPE} made.up storage.read:/a`,
    })
    expect(json['scope']).toBe('openid offline_access wlcg compute.read compute.create')
  })

  test('a registration at IAM with offline_access gets the refresh grant, and one without grant types the code grant', async () => {
    const { json } = await probe.register({ ...metadata, grant_types: [DEVICE_GRANT] })
    expect(json['grant_types']).toEqual([DEVICE_GRANT, 'refresh_token'])
    expect(await probe.register({ client_name: 'test' })).toMatchObject({
      status: 400,
      json: { error: 'Authorization code requires a valid redirect uri' },
    })
  })

  test.each([
    [{ grant_types: ['password'] }, 'Grant type not allowed: password'],
    [{ grant_types: ['client_credentials'] }, 'Grant type not allowed: client_credentials'],
    [{ grant_types: [EXCHANGE_GRANT] }, `Grant type not allowed: ${EXCHANGE_GRANT}`],
    [{ client_name: 'abc' }, /^Invalid length: client_name/],
    [{ client_id: 'mine' }, /^Invalid client_id/],
  ])('IAM refuses a registration with %j, in free text', async (change, text) => {
    const { status, json } = await probe.register({ ...metadata, ...change })
    expect(status).toBe(400)
    expect(Object.keys(json)).toEqual(['error'])
    expect(json['error']).toEqual(typeof text === 'string' ? text : expect.stringMatching(text))
  })

  test('a registration at IAM without a scope gets the default scopes', async () => {
    const { json } = await probe.register({ client_name: 'test', ...DEVICE })
    expect(json['scope']).toBe('openid profile email offline_access')
  })

  test('a public client registered at IAM gets no secret', async () => {
    const { json } = await probe.register({ ...metadata, token_endpoint_auth_method: 'none' })
    expect(json).not.toHaveProperty('client_secret')
  })

  test('a client registered at IAM can be read, changed and deleted', async () => {
    const { json } = await probe.register(metadata)
    const uri = String(json['registration_client_uri'])
    const headers = bearer(String(json['registration_access_token']))
    const read = await probe.ask(uri, { headers })
    expect(read.json['client_id']).toBe(json['client_id'])
    expect(read.json).not.toHaveProperty('registration_access_token')
    const body = JSON.stringify({ ...metadata, scope: 'openid' })
    const changed = await probe.ask(uri, {
      method: 'PUT',
      body,
      headers: { ...headers, 'content-type': 'application/json' },
    })
    expect(changed.json).toMatchObject({ scope: 'openid', client_secret: json['client_secret'] })
    expect(await probe.ask(uri, { method: 'DELETE', headers: bearer('wrong') })).toMatchObject({
      status: 403,
      json: { error: 'Access denied' },
    })
    expect((await probe.ask(uri, { method: 'DELETE', headers })).status).toBe(204)
    expect((await probe.ask(uri, { headers })).status).toBe(404)
  })
})

describe('token profile of IAM', () => {
  test('a client of IAM with the scope wlcg gets tokens of the WLCG profile for any audience', async () => {
    const token = await probe.login(await registered(SCOPE), {
      scope: 'offline_access compute.read',
    })
    expect(claims(token)).toMatchObject({
      aud: 'https://wlcg.cern.ch/jwt/v1/any',
      scope: 'offline_access compute.read',
      'wlcg.ver': '1.0',
      nbf: claims(token)['iat'],
    })
  })

  test.each(['openid offline_access compute.read', 'openid wlcg aarc compute.read'])(
    'a client of IAM with the scopes %j gets tokens without scope, nbf and wlcg.ver',
    async (scope) => {
      issuer.set({ systemScopes: [...issuer.settings().systemScopes, 'aarc'] })
      const payload = claims(await probe.login(await registered(scope)))
      expect(payload).not.toHaveProperty('scope')
      expect(payload).not.toHaveProperty('nbf')
      expect(payload).not.toHaveProperty('wlcg.ver')
    },
  )

  test('IAM returns requested groups, leaves out unknown ones, and refuses malformed ones', async () => {
    const client = await registered(`${SCOPE} wlcg.groups`)
    const parameters = { scope: 'wlcg wlcg.groups:/wlcg/pilots wlcg.groups:/other' }
    expect(claims(await probe.login(client, parameters))['wlcg.groups']).toEqual(['/wlcg/pilots'])
    const bad = await probe.post('device', { client_id: client.id, scope: 'wlcg.groups:pilots' })
    expect(bad.json).toMatchObject({
      error: 'invalid_scope',
      error_description: 'Invalid WLCG group scope: wlcg.groups:pilots',
    })
  })
})

describe('device flow at IAM', () => {
  test('the device authorization response of IAM has neither interval nor expires_in', async () => {
    const { json } = await probe.post('device', { client_id: (await registered(SCOPE)).id })
    expect(Object.keys(json).sort()).toEqual([
      'device_code',
      'user_code',
      'verification_uri',
      'verification_uri_complete',
    ])
  })

  test('the device authorization at IAM requires client_id in the form, even if a header has it', async () => {
    const { id, secret } = await registered(SCOPE)
    const authorization = `Basic ${Buffer.from(`${id}:${secret ?? ''}`).toString('base64')}`
    expect(await probe.post('device', {}, { authorization })).toMatchObject({
      status: 400,
      text: '',
    })
    expect((await probe.post('device', { client_id: id }, { authorization })).status).toBe(200)
  })

  test('the device authorization at IAM answers an unknown client with 404 and no body', async () => {
    const response = await probe.post('device', { client_id: 'nobody' })
    expect(response).toMatchObject({ status: 404, text: '' })
  })

  test('the device authorization at IAM refuses a client without the grant, and scopes that the client may not have', async () => {
    const client = issuer.addClient({ id: 'app', grantTypes: ['authorization_code'] })
    expect(await probe.post('device', { client_id: client.id })).toMatchObject({
      status: 401,
      json: { error: 'invalid_client' },
    })
    issuer.changeClient('app', { grantTypes: undefined, scope: ['openid'] })
    const response = await probe.post('device', { client_id: 'app', scope: 'openid compute.read' })
    expect(response).toMatchObject({
      status: 400,
      json: {
        error: 'invalid_scope',
        error_description: "One or more requested scope is not allowed for client 'app'",
      },
    })
  })

  test('IAM silently grants less than requested at a login if a policy withholds scopes', async () => {
    issuer.set({ scopesWithheld: ['storage.'] })
    const token = await probe.login(await registered(SCOPE), { scope: 'wlcg storage.read:/' })
    expect(token['scope']).toBe('wlcg')
  })

  test('IAM never reports a denial, and the expiry of a device code once', async () => {
    const client = await registered(SCOPE)
    const { json } = await probe.post('device', { client_id: client.id })
    issuer.deny(String(json['user_code']))
    const pending = await probe.poll(client, json['device_code'])
    expect(pending).toMatchObject({ status: 400, json: { error: 'authorization_pending' } })
    issuer.age(601)
    const expired = await probe.poll(client, json['device_code'])
    expect(expired).toMatchObject({ status: 400, json: { error: 'expired_token' } })
    expect((await probe.poll(client, json['device_code'])).json).toEqual({
      error: 'invalid_grant',
      error_description: 'Invalid device code',
    })
  })
})
