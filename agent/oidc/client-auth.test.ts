import { describe, expect, test } from 'vitest'
import { Secret } from '../../protocol/secret.ts'
import { addressOf, clientAt } from '../../test/support/oidc-client.ts'
import { type AuthMethod, authenticate, authMethodFor } from './client-auth.ts'
import type { Client } from './provider.ts'

const document = (methods?: readonly string[]): Parameters<typeof authMethodFor>[1] => ({
  issuer: 'https://op.example',
  token_endpoint: 'https://op.example/token',
  ...(methods === undefined ? {} : { token_endpoint_auth_methods_supported: methods }),
})

const client = (changes: Partial<Client> = {}): Client =>
  clientAt(addressOf('https://op.example'), changes)

function sent(of: Client, method: AuthMethod): { form: string; authorization: string | undefined } {
  const body = new URLSearchParams()
  const headers = new Headers()
  authenticate(of, method)({ issuer: 'x' }, { client_id: of.id }, body, headers)
  const [, basic] = headers.get('authorization')?.split(' ') ?? []
  return {
    form: body.toString(),
    authorization: basic === undefined ? undefined : Buffer.from(basic, 'base64').toString(),
  }
}

describe('how a client shows who it is', () => {
  test.each<[string, Partial<Client>, readonly string[] | undefined, AuthMethod]>([
    ['Basic unless told otherwise', {}, undefined, 'client_secret_basic'],
    [
      'Basic where both go',
      {},
      ['client_secret_post', 'client_secret_basic'],
      'client_secret_basic',
    ],
    [
      'the form where only it goes',
      {},
      ['client_secret_post', 'private_key_jwt'],
      'client_secret_post',
    ],
    ['nothing without a secret', { secret: undefined, isPublic: true }, undefined, 'none'],
    [
      'the form for a public client that has one',
      { isPublic: true },
      undefined,
      'client_secret_post',
    ],
  ])('%s', (_what, changes, methods, expected) => {
    expect(authMethodFor(client(changes), document(methods))).toBe(expected)
  })

  test('a UUID goes out as it is, for those who do not decode', () => {
    const id = '6f6ff8e2-d0c4-4b9a-9d43-5c8d2a1e0f77'
    const secret = new Secret('AKz_-base64url.~')
    expect(sent(client({ id, secret }), 'client_secret_basic')).toEqual({
      form: '',
      authorization: `${id}:AKz_-base64url.~`,
    })
  })

  test('what would be misread is encoded', () => {
    const secret = new Secret('50%+x ü:=/')
    expect(sent(client({ id: 'a:b', secret }), 'client_secret_basic').authorization).toBe(
      'a%3Ab:50%25%2Bx%20%C3%BC:=/',
    )
  })

  test('in the form', () => {
    expect(sent(client(), 'client_secret_post')).toEqual({
      form: 'client_id=client-1&client_secret=client-secret-1',
      authorization: undefined,
    })
    expect(sent(client(), 'none').form).toBe('client_id=client-1')
  })
})
