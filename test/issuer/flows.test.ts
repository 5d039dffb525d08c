import { createHash } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { credentialsOf, HttpProbe, type ProbeResponse } from './http-probe.ts'
import { newSigningKey, type SigningKey } from './provider.ts'
import type { Fields } from './response.ts'
import { EXCHANGE_GRANT } from './settings.ts'
import { type Issuer, startIssuer } from './start-issuer.ts'
import type { KnownClient } from './store.ts'

const REDIRECT = 'http://127.0.0.1:4242/'
const VERIFIER = 'v'.repeat(43)

let issuer: Issuer
let probe: HttpProbe
let client: KnownClient

beforeEach(async () => {
  issuer = await startIssuer({ settings: { onlyRegisteredAuthMethod: false } })
  probe = new HttpProbe(issuer)
  client = issuer.addClient({ redirectUris: [REDIRECT] })
})

afterEach(async () => {
  await probe.close()
  await issuer.close()
})

function token(fields: Record<string, string>): Promise<ProbeResponse> {
  return probe.post('token', { ...credentialsOf(client), ...fields })
}

describe('authorization code grant', () => {
  function authorize(change: Record<string, string> = {}): Promise<ProbeResponse> {
    const query = new URLSearchParams({
      client_id: client.id,
      response_type: 'code',
      redirect_uri: REDIRECT,
      scope: 'openid offline_access',
      state: 'state-1',
      nonce: 'nonce-1',
      code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
      code_challenge_method: 'S256',
      ...change,
    })
    return probe.ask(`${issuer.url('authorization')}?${query.toString()}`)
  }

  function outcome({ headers }: ProbeResponse): URLSearchParams {
    return new URL(headers.get('location') ?? '').searchParams
  }

  function exchange(
    code: string | null,
    change: Record<string, string> = {},
  ): Promise<ProbeResponse> {
    return token({
      grant_type: 'authorization_code',
      code: code ?? '',
      redirect_uri: REDIRECT,
      code_verifier: VERIFIER,
      ...change,
    })
  }

  test('the redirect after an approval has code, state and issuer', async () => {
    issuer.set({ person: 'approves' })
    const response = await authorize()
    expect(response.status).toBe(302)
    expect(Object.fromEntries(outcome(response))).toEqual({
      code: expect.any(String) as string,
      state: 'state-1',
      iss: issuer.issuer,
    })
    const { json } = await exchange(outcome(response).get('code'))
    expect(json).toMatchObject({ scope: 'openid offline_access', token_type: 'Bearer' })
    const { keys } = (await probe.ask(issuer.url('jwks'))).json
    const { payload } = await jwtVerify(
      String(json['id_token']),
      createLocalJWKSet({ keys: keys as [] }),
      { issuer: issuer.issuer, audience: client.id },
    )
    expect(payload).toMatchObject({ sub: 'alice', nonce: 'nonce-1' })
  })

  test('the authorization page has two buttons, which approve and deny', async () => {
    const { text } = await authorize()
    const action = /action="([^"]*)"/.exec(text)?.[1]?.replaceAll('&#38;', '&') ?? ''
    const press = (decision: string): Promise<ProbeResponse> =>
      probe.ask(`${issuer.origin}${action}`, {
        method: 'POST',
        body: `decision=${decision}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      })
    expect(outcome(await press('approve')).has('code')).toBe(true)
    expect(outcome(await press('deny')).get('error')).toBe('access_denied')
  })

  test('a code is refused with another PKCE verifier or redirect URI than the authorization request had', async () => {
    issuer.set({ person: 'approves' })
    const code = outcome(await authorize()).get('code')
    const wrong = await exchange(code, { code_verifier: 'w'.repeat(43) })
    expect(wrong.json['error']).toBe('invalid_grant')
    const elsewhere = await exchange(code, { redirect_uri: 'http://127.0.0.1:1/' })
    expect(elsewhere.json['error']).toBe('invalid_grant')
    expect((await exchange(code)).status).toBe(200)
  })

  test('a second use of an authorization code is refused and revokes the tokens of the first use', async () => {
    issuer.set({ person: 'approves' })
    const code = outcome(await authorize()).get('code')
    const { json } = await exchange(code)
    expect((await exchange(code)).json['error']).toBe('invalid_grant')
    expect((await probe.refresh(client, json['refresh_token'])).status).toBe(400)
  })

  test('an authorization code expires after a minute', async () => {
    issuer.set({ person: 'approves' })
    const code = outcome(await authorize()).get('code')
    issuer.age(61)
    expect((await exchange(code)).json['error']).toBe('invalid_grant')
  })

  test.each([
    [{ person: 'denies' }, {}, 'access_denied'],
    [{}, { code_challenge_method: 'plain' }, 'invalid_request'],
    [{}, { response_type: 'token' }, 'invalid_request'],
    [{}, { scope: 'made.up' }, 'invalid_scope'],
  ] as const)(
    'the authorization endpoint with settings %j and parameters %j redirects with the error %s',
    async (settings, change, error) => {
      issuer.set({ person: 'approves', ...settings })
      expect(outcome(await authorize(change)).get('error')).toBe(error)
    },
  )

  test('the authorization endpoint does not redirect to an unregistered address', async () => {
    issuer.set({ person: 'approves' })
    expect((await authorize({ redirect_uri: 'http://127.0.0.1:9999/' })).status).toBe(302)
    for (const redirect of ['https://evil.example/', 'http://127.0.0.1:4242/x', 'nonsense']) {
      expect((await authorize({ redirect_uri: redirect })).status).toBe(400)
    }
    issuer.set({ redirectUris: 'exact' })
    expect((await authorize({ redirect_uri: 'http://127.0.0.1:9999/' })).status).toBe(400)
  })

  test('the redirect can have a wrong state and issuer, or none', async () => {
    const wrongValues = {
      stateInAuthorizationResponse: 'wrong',
      issInAuthorizationResponse: 'wrong',
    } as const
    issuer.set({ person: 'approves', ...wrongValues })
    const wrong = outcome(await authorize())
    expect(wrong.get('state')).not.toBe('state-1')
    expect(wrong.get('iss')).not.toBe(issuer.issuer)
    const noValues = {
      stateInAuthorizationResponse: 'absent',
      issInAuthorizationResponse: 'absent',
    } as const
    issuer.set(noValues)
    expect([...outcome(await authorize()).keys()]).toEqual(['code'])
  })
})

describe('device flow', () => {
  test('the verification page accepts a user code and a decision', async () => {
    const { json } = await probe.post('device', credentialsOf(client))
    const complete = await probe.ask(String(json['verification_uri_complete']))
    expect(complete.text).toContain(String(json['user_code']))
    const entered = { user_code: String(json['user_code']).toLowerCase(), decision: 'approve' }
    expect((await probe.post('verification', entered)).text).toContain('Device approved')
    expect((await probe.poll(client, json['device_code'])).status).toBe(200)
  })

  test.each([
    ['approves', 200],
    ['denies', 400],
    ['absent', 400],
  ] as const)(
    'with the setting person "%s" a poll is answered with %i without the page',
    async (person, status) => {
      issuer.set({ person })
      const { json } = await probe.post('device', credentialsOf(client))
      expect((await probe.poll(client, json['device_code'])).status).toBe(status)
    },
  )
})

describe('grants without a person', () => {
  test('the password grant returns a refresh token, and refuses a wrong password', async () => {
    const fields = { grant_type: 'password', username: 'alice', scope: 'openid offline_access' }
    const { json } = await token({ ...fields, password: 'wonderland' })
    expect(json).toHaveProperty('refresh_token')
    const wrong = await token({ ...fields, password: 'looking-glass' })
    expect(wrong.json['error']).toBe('invalid_grant')
  })

  test('the client credentials grant returns no refresh token and refuses public clients', async () => {
    const fields = { grant_type: 'client_credentials', audience: 'a.example' }
    const { json } = await token(fields)
    expect(json).not.toHaveProperty('refresh_token')
    expect(payloadOf(String(json['access_token']))).toMatchObject({
      sub: client.id,
      aud: 'a.example',
    })
    issuer.changeClient(client.id, { authMethod: 'none' })
    expect((await token(fields)).json['error']).toBe('unauthorized_client')
  })

  test('the token exchange accepts an unexpired token of a CI platform', async () => {
    const exchange = (subjectToken: string): Promise<ProbeResponse> =>
      token({
        grant_type: EXCHANGE_GRANT,
        subject_token: subjectToken,
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        scope: 'compute.read',
      })
    const { json } = await exchange(await issuer.platformToken('repo:atlas/prod'))
    expect(payloadOf(String(json['access_token'])).sub).toBe('repo:atlas/prod')
    const old = await exchange(await issuer.platformToken('repo:atlas/prod', -1))
    expect(old.json['error']).toBe('invalid_request')
    expect((await exchange('nonsense')).status).toBe(400)
  })

  test('a grant that the client is not registered for is refused, and so is an unknown grant', async () => {
    issuer.changeClient(client.id, { grantTypes: ['refresh_token'] })
    expect((await token({ grant_type: 'password' })).json['error']).toBe('unauthorized_client')
    expect((await token({ grant_type: 'magic' })).json['error']).toBe('unsupported_grant_type')
  })
})

describe('client authentication', () => {
  const fields = { grant_type: 'client_credentials' }

  test('client_secret_basic decodes form-encoded credentials (RFC 6749 §2.3.1)', async () => {
    issuer.addClient({ id: 'urn:a b', secret: 'p:ss%w+rd' })
    const pair = `${encodeURIComponent('urn:a b')}:${encodeURIComponent('p:ss%w+rd')}`
    const authorization = `Basic ${Buffer.from(pair).toString('base64')}`
    expect((await probe.post('token', fields, { authorization })).status).toBe(200)
  })

  test('with onlyRegisteredAuthMethod another authentication method than the registered one is refused', async () => {
    expect((await token(fields)).status).toBe(200)
    issuer.set({ onlyRegisteredAuthMethod: true })
    expect(await token(fields)).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  })

  describe('private_key_jwt', () => {
    let key: SigningKey

    beforeEach(async () => {
      key = await newSigningKey('ES256', 'client-key')
      issuer.addClient({ id: 'robot', authMethod: 'private_key_jwt', jwks: { keys: [key.jwk] } })
    })

    async function authenticate(change: Fields, signer: SigningKey = key): Promise<number> {
      const exp = Math.floor(Date.now() / 1000) + 60
      const claims = { iss: 'robot', sub: 'robot', aud: issuer.url('token'), jti: 'one', exp }
      const { status } = await probe.post('token', {
        ...fields,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await signer.sign({ ...claims, ...change }),
      })
      return status
    }

    test('an assertion for the token endpoint or the issuer is accepted once', async () => {
      expect(await authenticate({})).toBe(200)
      expect(await authenticate({})).toBe(401)
      expect(await authenticate({ jti: 'two', aud: issuer.issuer })).toBe(200)
    })

    test.each([{ aud: 'https://other.example' }, { iss: 'other' }, { exp: 1 }, { jti: undefined }])(
      'an assertion with %o is refused',
      async (change) => {
        expect(await authenticate(change)).toBe(401)
      },
    )

    test('an assertion signed with the key of another client is refused', async () => {
      expect(await authenticate({}, await newSigningKey('ES256', 'client-key'))).toBe(401)
    })
  })
})

test('revoking a refresh token revokes its access tokens too', async () => {
  const first = await probe.login(client)
  const value = String(first['refresh_token'])
  await probe.post('revocation', { token: value, ...credentialsOf(client) })
  expect((await probe.refresh(client, value)).status).toBe(400)
  expect(await probe.isActive(client, first['access_token'])).toBe(false)
})

test('a repeated resource parameter is a list, which a refresh can only narrow', async () => {
  const started = await probe.post('device', [
    ...Object.entries(credentialsOf(client)),
    ['resource', 'https://a.example'],
    ['resource', 'https://b.example'],
  ])
  issuer.approve(String(started.json['user_code']))
  const { json } = await probe.poll(client, started.json['device_code'])
  expect(payloadOf(String(json['access_token'])).aud).toEqual([
    'https://a.example',
    'https://b.example',
  ])
  const wider = await probe.refresh(client, json['refresh_token'], {
    resource: 'https://c.example',
  })
  expect(wider.json['error']).toBe('invalid_target')
})
