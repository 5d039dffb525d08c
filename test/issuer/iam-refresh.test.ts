import { decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { bearer, credentialsOf, HttpProbe } from './http-probe.ts'
import type { Fields } from './response.ts'
import { EXCHANGE_GRANT } from './settings.ts'
import { type Issuer, startIssuer } from './start-issuer.ts'
import type { KnownClient } from './store.ts'

const SCOPE = 'openid offline_access wlcg compute.read compute.create storage.read:/'

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

function claims(response: Fields): Fields {
  return payloadOf(String(response['access_token']))
}

describe('refresh at IAM', () => {
  let client: KnownClient
  let first: Fields

  beforeEach(async () => {
    client = issuer.addClient({ scope: SCOPE.split(' ') })
    first = await probe.login(client)
  })

  function refresh(parameters: Record<string, string> = {}): ReturnType<HttpProbe['refresh']> {
    return probe.refresh(client, first['refresh_token'], parameters)
  }

  test('IAM returns the same refresh token, an unsigned JWT, and an ID token at a refresh', async () => {
    expect(decodeProtectedHeader(String(first['refresh_token'])).alg).toBe('none')
    const { json } = await refresh()
    expect(json['refresh_token']).toBe(first['refresh_token'])
    expect(json['id_token']).toEqual(expect.any(String))
    expect(json['scope']).toBe(SCOPE)
  })

  test('IAM deletes earlier access tokens at a refresh', async () => {
    expect(await probe.isActive(client, first['access_token'])).toBe(true)
    const { json } = await refresh()
    expect(await probe.isActive(client, first['access_token'])).toBe(false)
    expect(await probe.isActive(client, json['access_token'])).toBe(true)
    const headers = bearer(String(first['access_token']))
    expect((await probe.ask(issuer.url('userinfo'), { headers })).status).toBe(401)
  })

  test.each(['storage.read:/x', 'compute.read storage.read:/x/y'])(
    'IAM narrows the scope at a refresh to "%s"',
    async (scope) => {
      const { json } = await refresh({ scope })
      expect(json['scope']).toBe(scope)
      expect(claims(json)['scope']).toBe(scope)
    },
  )

  test('IAM compares scope paths as plain text', async () => {
    issuer.changeClient(client.id, { scope: ['offline_access', 'storage.read:/a'] })
    const token = await probe.login(client, { scope: 'offline_access storage.read:/a' })
    const response = await probe.refresh(client, token['refresh_token'], {
      scope: 'storage.read:/ab',
    })
    expect(response.json['scope']).toBe('storage.read:/ab')
  })

  test('IAM refuses a scope beyond the grant, and one that the client may not have', async () => {
    const token = await probe.login(client, { scope: 'offline_access compute.read' })
    const wider = await probe.refresh(client, token['refresh_token'], { scope: 'compute.create' })
    expect(wider).toMatchObject({
      status: 400,
      json: { error: 'invalid_scope', error_description: 'Up-scoping is not allowed.' },
    })
    const foreign = await refresh({ scope: 'compute.cancel' })
    expect(foreign.json['error_description']).toBe(
      `Scope 'compute.cancel' not allowed for client '${client.id}'`,
    )
  })

  test('IAM silently drops scopes that a policy withholds from the person', async () => {
    issuer.set({ scopesWithheld: ['storage.'] })
    const response = await refresh({ scope: 'compute.read storage.read:/' })
    expect(response).toMatchObject({ status: 200, json: { scope: 'compute.read' } })
  })

  test('IAM accepts one space-separated audience, another one at each refresh', async () => {
    const two = await refresh({ audience: 'a.example:9619 https://b.example' })
    expect(claims(two.json)['aud']).toEqual(['a.example:9619', 'https://b.example'])
    const one = await refresh({ aud: 'c.example' })
    expect(claims(one.json)['aud']).toBe('c.example')
    const fields = { grant_type: 'refresh_token', refresh_token: String(first['refresh_token']) }
    const repeated = await probe.post('token', [
      ...Object.entries({ ...fields, ...credentialsOf(client) }),
      ['audience', 'a.example'],
      ['audience', 'b.example'],
    ])
    expect(claims(repeated.json)['aud']).toBe('a.example')
  })

  test('IAM refuses resource if the first request had none, or if it is malformed', async () => {
    expect(await refresh({ resource: 'https://a.example' })).toMatchObject({
      status: 400,
      json: {
        error: 'invalid_target',
        error_description: 'The requested resource was not originally granted',
      },
    })
    expect(await refresh({ resource: 'a.example:9619/?x' })).toMatchObject({
      status: 400,
      json: { error: 'invalid_target' },
    })
  })

  test('IAM keeps to the resources of the first request, even if a refresh requests an audience', async () => {
    const resource = 'https://a.example https://b.example'
    const token = await probe.login(client, { resource })
    expect(claims(token)['aud']).toEqual(resource.split(' '))
    const again = (parameters: Record<string, string>): ReturnType<HttpProbe['refresh']> =>
      probe.refresh(client, token['refresh_token'], parameters)
    expect(claims((await again({ resource: 'https://b.example' })).json)['aud']).toBe(
      'https://b.example',
    )
    expect((await again({ audience: 'https://c.example' })).json['error']).toBe('invalid_target')
  })

  test('IAM answers a dead refresh token with 401 invalid_token, and the token in body and header', async () => {
    issuer.age(30 * 86_400 + 1)
    const { status, json, headers } = await refresh()
    const text = `Invalid refresh token: ${String(first['refresh_token'])}`
    expect(status).toBe(401)
    expect(json).toEqual({ error: 'invalid_token', error_description: text })
    expect(headers.get('www-authenticate')).toBe(
      `Bearer error="invalid_token", error_description="${text}"`,
    )
  })

  test('a refresh token with a lifetime of 0 does not expire', async () => {
    issuer.set({ offlineTokenSeconds: 0 })
    const { refresh_token: token } = await probe.login(client)
    issuer.age(1000 * 86_400)
    expect((await probe.refresh(client, token)).status).toBe(200)
  })

  test('IAM deletes a refresh token that another client uses', async () => {
    const other = issuer.addClient({ scope: SCOPE.split(' ') })
    expect((await probe.refresh(other, first['refresh_token'])).status).toBe(401)
    expect((await refresh()).json['error']).toBe('invalid_token')
  })

  test('the rotation "new one, old one dies" ends the old refresh token at once', async () => {
    issuer.set({ rotation: 'new one, old one dies' })
    const { json } = await refresh()
    expect(json['refresh_token']).not.toBe(first['refresh_token'])
    expect((await refresh()).json['error']).toBe('invalid_token')
    expect((await probe.refresh(client, json['refresh_token'])).status).toBe(200)
  })

  test.each([
    ['inactive', 401, 'unauthorized', 'User alice is not active.'],
    ['has a policy to sign', 400, 'invalid_grant', /^User alice needs to sign AUP/],
  ] as const)(
    'a refresh at IAM with the user setting "%s" is refused with %i %s, and granted later',
    async (user, status, error, text) => {
      issuer.set({ user })
      const response = await refresh()
      expect(response).toMatchObject({ status, json: { error } })
      expect(response.json['error_description']).toMatch(text)
      issuer.set({ user: 'active' })
      expect((await refresh()).status).toBe(200)
    },
  )

  test('IAM refuses a suspended client with 401 invalid_client, and accepts it later', async () => {
    issuer.set({ clientsSuspended: true })
    const response = await refresh()
    expect(response).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    expect(response.headers.get('www-authenticate')).toContain('Bearer error="invalid_client"')
    issuer.set({ clientsSuspended: false })
    expect((await refresh()).status).toBe(200)
  })

  test('IAM returns no refresh token without offline_access', async () => {
    expect(await probe.login(client, { scope: 'openid' })).not.toHaveProperty('refresh_token')
  })
})

test('the token exchange of IAM requires a scope, and accepts only active tokens', async () => {
  const client = issuer.addClient()
  const { access_token: subject, refresh_token: refreshToken } = await probe.login(client)
  const exchange = (parameters: Record<string, string>): ReturnType<HttpProbe['post']> =>
    probe.post('token', {
      grant_type: EXCHANGE_GRANT,
      subject_token: String(subject),
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...credentialsOf(client),
      ...parameters,
    })
  expect(await exchange({})).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  const response = await exchange({ scope: 'compute.read', audience: 'a.example' })
  expect(response.json['issued_token_type']).toBe('urn:ietf:params:oauth:token-type:jwt')
  expect(claims(response.json)).toMatchObject({ sub: 'alice', aud: 'a.example' })
  expect((await exchange({ scope: 'offline_access' })).json['error']).toBe('invalid_scope')
  expect((await exchange({ scope: 'openid', actor_token: 'x' })).json['error']).toBe(
    'invalid_token',
  )
  await probe.refresh(client, refreshToken)
  const dead = await exchange({ scope: 'compute.read' })
  expect(dead).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
})
