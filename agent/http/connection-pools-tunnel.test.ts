import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ConnectProxy, startConnectProxy } from '../../test/support/connect-proxy.ts'
import { failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import { type ScriptedServer, startScriptedServer } from '../../test/support/scripted-server.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider, ProviderMetadata } from '../oauth/provider.ts'

let server: ScriptedServer
let proxy: ConnectProxy
let oidc: OpenIdProvider

beforeEach(async () => {
  server = await startScriptedServer(
    {},
    {
      host: 'op.example',
      certificate: (authority) => authority.issue({ dnsNames: ['op.example'] }),
    },
  )
  proxy = await startConnectProxy(Number(new URL(server.origin).port))
  oidc = createOpenIdProvider({
    env: { HTTPS_PROXY: `http://alice:p%40ss@${proxy.host}` },
    retryPolicy: { pause: () => Promise.resolve() },
  })
})

afterEach(async () => {
  await oidc.close()
  await proxy.close()
  await server.close()
})

const discover = (): Promise<ProviderMetadata> =>
  oidc.discover(providerConfig(server.origin, server.caPath), noAbort())

test('requests go through the proxy of HTTPS_PROXY, and the certificate of the provider is checked', async () => {
  expect((await discover()).issuer).toBe(server.origin)
  expect(proxy.asked).toEqual([
    {
      target: new URL(server.origin).host,
      authorization: `Basic ${Buffer.from('alice:p@ss').toString('base64')}`,
    },
  ])
})

test('a proxy that refuses the connection is named, without its password', async () => {
  proxy.status = 407
  const failure = await failureOf(discover())
  expect(failure).toMatchObject({
    code: 'network',
    message: `could not connect to url: ${server.origin} cannot be reached through the proxy ${proxy.host}: it answered 407 (NO_TUNNEL)`,
  })
})

test('a proxy that does not run is named', async () => {
  await proxy.close()
  const failure = await failureOf(discover())
  expect(failure.message).toContain(`through the proxy ${proxy.host}: ECONNREFUSED`)
  proxy = await startConnectProxy(1)
})
