import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../protocol/wire/secret.ts'
import type { ClientAuthMethod } from '../../test/issuer/settings.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { clientFrom, type IssuerLogin, loginAt } from '../../test/support/issuer-login.ts'
import { clientAt, failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import { type AuthMethod, authenticate, authMethodsFor } from './client-authentication.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { Client, OpenIdProvider } from './provider.ts'

const document = (methods?: readonly string[]): Parameters<typeof authMethodsFor>[1] => ({
  issuer: 'https://op.example',
  token_endpoint: 'https://op.example/token',
  ...(methods === undefined ? {} : { token_endpoint_auth_methods_supported: methods }),
})

const client = (changes: Partial<Client> = {}): Client =>
  clientAt(providerConfig('https://op.example'), changes)

async function sent(
  of: Client,
  method: AuthMethod,
): Promise<{ form: string; authorization: string | undefined }> {
  const form = new URLSearchParams()
  const headers = new Headers()
  await authenticate(of, method, document(), { form, headers })
  const [, basic] = headers.get('authorization')?.split(' ') ?? []
  return {
    form: form.toString(),
    authorization: basic === undefined ? undefined : Buffer.from(basic, 'base64').toString(),
  }
}

describe('the authentication of a client', () => {
  test.each<[string, Partial<Client>, readonly string[] | undefined, AuthMethod[]]>([
    ['Basic by default', {}, undefined, ['client_secret_basic']],
    [
      'Basic before the form if the provider supports both',
      {},
      ['client_secret_post', 'client_secret_basic'],
      ['client_secret_basic', 'client_secret_post'],
    ],
    [
      'the form if the provider supports only that',
      {},
      ['client_secret_post', 'private_key_jwt'],
      ['client_secret_post'],
    ],
    [
      'nothing for a client without a secret',
      { secret: undefined, isPublic: true },
      undefined,
      ['none'],
    ],
    [
      'the form for a public client with a secret',
      { isPublic: true },
      undefined,
      ['client_secret_post'],
    ],
    [
      'the form if it is configured',
      { authentication: { kind: 'post' } },
      ['client_secret_basic'],
      ['client_secret_post'],
    ],
    [
      'a signature if it is configured',
      { authentication: { kind: 'private_key_jwt', keyFile: 'key.pem' } },
      undefined,
      ['private_key_jwt'],
    ],
  ])('a client authenticates by %s', (_what, changes, methods, expected) => {
    expect(authMethodsFor(client(changes), document(methods))).toEqual(expected)
  })

  test('authentication by Basic does not encode a UUID, for providers that do not decode', async () => {
    const id = '6f6ff8e2-d0c4-4b9a-9d43-5c8d2a1e0f77'
    const secret = new Secret('AKz_-base64url.~')
    expect(await sent(client({ id, secret }), 'client_secret_basic')).toEqual({
      form: '',
      authorization: `${id}:AKz_-base64url.~`,
    })
  })

  test('authentication by Basic encodes characters that would be misread', async () => {
    const secret = new Secret('50%+x ü:=/')
    expect((await sent(client({ id: 'a:b', secret }), 'client_secret_basic')).authorization).toBe(
      'a%3Ab:50%25%2Bx%20%C3%BC:=/',
    )
  })

  test('authentication in the form sends client_id and, if there is one, client_secret', async () => {
    expect(await sent(client(), 'client_secret_post')).toEqual({
      form: 'client_id=client-1&client_secret=client-secret-1',
      authorization: undefined,
    })
    expect((await sent(client(), 'none')).form).toBe('client_id=client-1')
  })
})

describe('a client that is registered for one method', () => {
  let issuer: Issuer
  let oidc: OpenIdProvider
  let directory: string

  beforeEach(async () => {
    issuer = await startIssuer()
    oidc = createOpenIdProvider()
    directory = await mkdtemp(join(tmpdir(), 'client-auth-'))
  })

  afterEach(async () => {
    await oidc.close()
    await issuer.close()
    await rm(directory, { recursive: true })
  })

  async function refreshed({ client: one, refreshToken }: IssuerLogin): Promise<string> {
    const grant = { refreshToken, scope: undefined, audience: undefined }
    return (await oidc.refreshTokenGrant(one, grant, noAbort())).accessToken
  }

  test.each<ClientAuthMethod>(['none', 'client_secret_basic', 'client_secret_post'])(
    'a client registered for %s needs no configuration',
    async (authMethod) => {
      const login = await loginAt(
        issuer,
        oidc,
        clientFrom(issuer, issuer.addClient({ authMethod })),
      )
      expect(await refreshed(login)).not.toBe('')
    },
  )

  test('the authentication method that the provider accepted is used for the next request', async () => {
    const known = issuer.addClient({ authMethod: 'client_secret_post' })
    const login = await loginAt(issuer, oidc, clientFrom(issuer, known))
    const before = issuer.requestsTo('token').length
    await refreshed(login)
    expect(issuer.requestsTo('token')).toHaveLength(before + 1)
  })

  test('a wrong client secret is reported with the first error response, without the secret', async () => {
    const known = issuer.addClient()
    const wrong = clientFrom(issuer, known, { secret: new Secret('guessed') })
    const parameters = { scope: undefined, audience: undefined }
    const failure = await failureOf(oidc.clientCredentialsGrant(wrong, parameters, noAbort()))
    expect(failure.code).toBe('invalid-client')
    expect(failure.message).not.toContain('guessed')
    expect(issuer.requestsTo('token')).toHaveLength(2)
  })

  async function clientWithKey(key: KeyObject, text: string): Promise<Client> {
    const jwk = { ...createPublicKey(key).export({ format: 'jwk' }), kid: 'key-1' }
    const known = issuer.addClient({ authMethod: 'private_key_jwt', jwks: { keys: [jwk] } })
    const keyFile = join(directory, 'key')
    await writeFile(keyFile, text, { mode: 0o600 })
    return clientFrom(issuer, known, {
      secret: undefined,
      authentication: { kind: 'private_key_jwt', keyFile },
    })
  }

  const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1'): string =>
    key.export({ type, format: 'pem' }).toString()

  test.each<[string, () => KeyObject, (key: KeyObject) => string]>([
    ['RSA, PKCS #8', rsaKey, (key) => pem(key, 'pkcs8')],
    ['RSA, PKCS #1', rsaKey, (key) => pem(key, 'pkcs1')],
    ['P-256, SEC 1', () => ecKey('prime256v1'), (key) => pem(key, 'sec1')],
    ['P-384, PKCS #8', () => ecKey('secp384r1'), (key) => pem(key, 'pkcs8')],
    ['Ed25519, PKCS #8', edKey, (key) => pem(key, 'pkcs8')],
    [
      'P-256, JWK',
      () => ecKey('prime256v1'),
      (key) => JSON.stringify({ ...key.export({ format: 'jwk' }), kid: 'key-1' }),
    ],
  ])('a client signs with its key: %s', async (_what, makeKey, write) => {
    const key = makeKey()
    const signing = await clientWithKey(key, write(key))
    const login = await loginAt(issuer, oidc, signing)
    expect(await refreshed(login)).not.toBe('')
    expect(issuer.requestsTo('token').at(-1)?.form).toMatchObject({
      client_id: signing.id,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    })
  })

  test.each([
    ['no key', 'moin', 'it is not a private key in PEM or JWK format, or it has a passphrase'],
    [
      'half a JWK',
      '{"kty":"EC"',
      'it is not a private key in PEM or JWK format, or it has a passphrase',
    ],
    [
      'a key that cannot sign',
      generateKeyPairSync('x25519', {
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      }).privateKey,
      'a x25519 key cannot sign for a client',
    ],
  ])('a key file with %s is refused', async (_what, text, why) => {
    const signing = await clientWithKey(edKey(), text)
    const parameters = { scope: undefined, audience: undefined }
    expect(
      await failureOf(oidc.clientCredentialsGrant(signing, parameters, noAbort())),
    ).toMatchObject({
      code: 'file-malformed',
      message: `private key ${join(directory, 'key')} cannot be used: ${why}`,
    })
  })

  test('a missing key file is reported', async () => {
    const signing = await clientWithKey(edKey(), '')
    await rm(join(directory, 'key'))
    const parameters = { scope: undefined, audience: undefined }
    expect(
      await failureOf(oidc.clientCredentialsGrant(signing, parameters, noAbort())),
    ).toMatchObject({
      code: 'file-unreadable',
      message: `private key ${join(directory, 'key')} cannot be read: ENOENT`,
    })
  })

  test('a wrong clock is reported as the reason for a refused signature', async () => {
    const key = edKey()
    const signing = await clientWithKey(key, pem(key, 'pkcs8'))
    issuer.set({ clockOffsetSeconds: 600 })
    const parameters = { scope: undefined, audience: undefined }
    const failure = await failureOf(oidc.clientCredentialsGrant(signing, parameters, noAbort()))
    expect(failure.code).toBe('wrong-clock')
    expect(failure.hint).toContain('Check the clock of this machine')
  })
})

// Read back from their encoded forms: see newTestKeyPair.
function rsaKey(): KeyObject {
  return createPrivateKey(
    generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    }).privateKey,
  )
}

function ecKey(namedCurve: string): KeyObject {
  return createPrivateKey(
    generateKeyPairSync('ec', {
      namedCurve,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    }).privateKey,
  )
}

function edKey(): KeyObject {
  return createPrivateKey(
    generateKeyPairSync('ed25519', {
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    }).privateKey,
  )
}
