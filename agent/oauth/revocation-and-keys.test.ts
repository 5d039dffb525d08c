import { afterEach, beforeEach, expect, test } from 'vitest'
import { Secret } from '../../protocol/wire/secret.ts'
import { clientAt, failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import {
  discoveryDocument,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/support/scripted-server.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { OpenIdProvider } from './provider.ts'

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

function revoke(): Promise<void> {
  const client = clientAt(providerConfig(server.origin, server.caPath))
  return oidc.revokeToken(client, new Secret('refresh-token-1'), noAbort())
}

const sent = (): readonly Readonly<Record<string, string>>[] =>
  server.requests.filter(({ path }) => path === '/revoke').map(({ form }) => form)

test.each([
  [200, ''],
  [200, 'ok'],
  [204, ''],
])('a revocation succeeds with status %i and the body "%s"', async (status, body) => {
  server.script['/revoke'] = { status, body }
  await revoke()
  expect(sent()).toEqual([{ token: 'refresh-token-1', token_type_hint: 'refresh_token' }])
})

test('a revocation is repeated with client_id in the form if the provider overlooks the Basic header', async () => {
  server.script['/revoke'] = ({ form }) =>
    'client_id' in form ? { status: 200 } : { status: 401, body: { error: 'invalid_client' } }
  await revoke()
  expect(sent().map((form) => form['client_id'])).toEqual([undefined, 'client-1'])
})

test('a revocation is repeated only after an error that concerns the client', async () => {
  server.script['/revoke'] = { status: 400, body: { error: 'invalid_request' } }
  expect((await failureOf(revoke())).message).toBe('invalid_request')
  expect(sent()).toHaveLength(2)
  server.script['/revoke'] = {
    status: 400,
    body: { error: 'unsupported_token_type', error_description: 'not refresh-token-1' },
  }
  expect((await failureOf(revoke())).message).toBe('unsupported_token_type: not [secret]')
  expect(sent()).toHaveLength(3)
})

test('a provider without a revocation endpoint does not support revocation', async () => {
  const document = { ...discoveryDocument(server.origin), revocation_endpoint: undefined }
  server.script['/.well-known/openid-configuration'] = { body: document }
  expect(await failureOf(revoke())).toMatchObject({
    code: 'unsupported-by-provider',
    message: 'Token revocation is not supported by this issuer.',
  })
})
