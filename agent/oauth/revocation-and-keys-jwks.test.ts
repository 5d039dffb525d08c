import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import {
  discoveryDocument,
  type ScriptedReply,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/support/scripted-server.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { OpenIdProvider } from './provider.ts'

let server: ScriptedServer
let oidc: OpenIdProvider

beforeEach(async () => {
  server = await startScriptedServer()
  server.script['/.well-known/openid-configuration'] = {
    body: { ...discoveryDocument(server.origin), jwks_uri: `${server.origin}/jwk` },
  }
  oidc = createOpenIdProvider()
})

afterEach(async () => {
  await oidc.close()
  await server.close()
})

function keys(): Promise<JsonObject> {
  return oidc.jwks(providerConfig(server.origin, server.caPath), noAbort())
}

test('keys are fetched from jwks_uri at each call and returned unchanged', async () => {
  const first = { keys: [{ kty: 'EC', kid: '1', x: 'y' }], more: true }
  server.script['/jwk'] = { body: first }
  expect(await keys()).toEqual(first)
  server.script['/jwk'] = { body: { keys: [] } }
  expect(await keys()).toEqual({ keys: [] })
})

test.each<[string, ScriptedReply, RegExp]>([
  ['a JSON object without keys', { body: { key: 1 } }, /sent a key set without keys$/],
  ['a page', { body: '<html>' }, /instead of JSON$/],
  ['an error status', { status: 404 }, / answered 404 /],
])('%s in place of a key set is refused', async (_what, reply, why) => {
  server.script['/jwk'] = reply
  expect((await failureOf(keys())).message).toMatch(why)
})

test('a provider without jwks_uri, or with plain http in it, has no keys', async () => {
  const publish = (more: object): void => {
    server.script['/.well-known/openid-configuration'] = {
      body: { ...discoveryDocument(server.origin), ...more },
    }
  }
  publish({ jwks_uri: 'http://192.0.2.1/jwk' })
  expect(await failureOf(keys())).toMatchObject({ code: 'insecure-url' })
  await oidc.close()
  oidc = createOpenIdProvider()
  publish({})
  expect((await failureOf(keys())).message).toContain('does not publish its keys (no jwks_uri)')
})
