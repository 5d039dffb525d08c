import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import {
  discoveryDocument,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/support/scripted-server.ts'
import { DISCOVERY_CACHE_MS } from './discovery.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { OpenIdProvider } from './provider.ts'

const OPENID = '/.well-known/openid-configuration'

let server: ScriptedServer
let oidc: OpenIdProvider
let nowMs: number

beforeEach(async () => {
  server = await startScriptedServer()
  nowMs = 1_800_000_000_000
  oidc = createOpenIdProvider({ now: () => nowMs })
})

afterEach(async () => {
  await oidc.close()
  await server.close()
})

function provider(path = '', changes: Partial<ProviderConfig> = {}): ProviderConfig {
  return { ...providerConfig(`${server.origin}${path}`, server.caPath), ...changes }
}

const paths = (): readonly string[] => server.requests.map(({ path }) => path)

describe('the URL of a discovery document', () => {
  test.each(['', '/'])(
    'a slash at the end of the issuer makes no difference (given "%s")',
    async (slash) => {
      server.script[OPENID] = { body: discoveryDocument(server.origin) }
      expect((await oidc.discover(provider(slash), noAbort())).issuer).toBe(server.origin)
    },
  )

  test('the path of an issuer precedes /.well-known in the URL of its discovery document', async () => {
    const issuer = `${server.origin}/realms/wlcg`
    server.script[`/realms/wlcg${OPENID}`] = {
      body: { ...discoveryDocument(server.origin), issuer: `${issuer}/` },
    }
    expect((await oidc.discover(provider('/realms/wlcg'), noAbort())).issuer).toBe(`${issuer}/`)
  })

  test('the discovery document of a plain OAuth server is found (RFC 8414)', async () => {
    const issuer = `${server.origin}/as`
    server.script['/.well-known/oauth-authorization-server/as'] = {
      body: { ...discoveryDocument(server.origin), issuer },
    }
    expect((await oidc.discover(provider('/as'), noAbort())).issuer).toBe(issuer)
    expect(paths()).toEqual([`/as${OPENID}`, '/.well-known/oauth-authorization-server/as'])
  })

  test('if both URLs of a discovery document return 404, the first is reported', async () => {
    const failure = await failureOf(oidc.discover(provider('/none'), noAbort()))
    expect(failure).toMatchObject({ code: 'provider-status' })
    expect(failure.message).toMatch(/answered 404 with an empty body$/)
  })

  test('a configuration endpoint is used unchanged', async () => {
    server.script['/my/config'] = { body: discoveryDocument(server.origin) }
    const given = provider('', { configEndpoint: `${server.origin}/my/config` })
    await oidc.discover(given, noAbort())
    await oidc.discover({ ...given, issuer: '' }, noAbort())
    expect(paths()).toEqual(['/my/config', '/my/config'])
  })

  test("the C client's (null) means no configuration endpoint", async () => {
    await oidc.discover(provider('', { configEndpoint: '(null)' }), noAbort())
    expect(paths()).toEqual([OPENID])
  })

  test('a redirect of discovery is followed only within the origin', async () => {
    server.script[OPENID] = { status: 302, headers: { location: '/elsewhere' } }
    server.script['/elsewhere'] = { body: discoveryDocument(server.origin) }
    expect((await oidc.discover(provider(), noAbort())).issuer).toBe(server.origin)
    server.script['/elsewhere'] = { status: 302, headers: { location: 'https://op.invalid/' } }
    nowMs += DISCOVERY_CACHE_MS
    const failure = await failureOf(oidc.discover(provider(), noAbort()))
    expect(failure.message).toContain('a redirect to https://op.invalid, which is not followed')
  })

  test('a redirect loop of discovery ends after three redirects', async () => {
    server.script[OPENID] = { status: 302, headers: { location: OPENID } }
    const failure = await failureOf(oidc.discover(provider(), noAbort()))
    expect(failure.code).toBe('provider-answer')
    expect(paths()).toHaveLength(4)
  })
})

describe('a discovery document that is refused', () => {
  test("another provider's discovery document is refused", async () => {
    server.script[OPENID] = { body: discoveryDocument('https://op.example') }
    const failure = await failureOf(oidc.discover(provider(), noAbort()))
    expect(failure.code).toBe('wrong-issuer')
    expect(failure.message).toBe(
      `Provider uses another issuer url than expected. Expected ${server.origin}, got https://op.example`,
    )
  })

  test.each([
    [{}, /without an issuer/],
    [{ issuer: 7 }, /without an issuer/],
  ])('a discovery document without an issuer is refused: %j', async (body, text) => {
    server.script[OPENID] = { body }
    expect((await failureOf(oidc.discover(provider(), noAbort()))).message).toMatch(text)
  })

  test('a discovery document without a token endpoint is refused', async () => {
    server.script[OPENID] = { body: { issuer: server.origin } }
    expect((await failureOf(oidc.discover(provider(), noAbort()))).message).toMatch(
      /^Could not get token endpoint from the configuration endpoint\./,
    )
  })
})

describe('the cache of discovery documents', () => {
  test('a discovery document is cached for ten minutes', async () => {
    await oidc.discover(provider(), noAbort())
    nowMs += DISCOVERY_CACHE_MS - 1
    await oidc.discover(provider(), noAbort())
    expect(paths()).toHaveLength(1)
    nowMs += 1
    await oidc.discover(provider(), noAbort())
    expect(paths()).toHaveLength(2)
  })

  test('a failure of discovery is not cached', async () => {
    server.script[OPENID] = { status: 503 }
    expect((await failureOf(oidc.discover(provider(), noAbort()))).code).toBe(
      'provider-unavailable',
    )
    server.script[OPENID] = { body: discoveryDocument(server.origin) }
    expect((await oidc.discover(provider(), noAbort())).issuer).toBe(server.origin)
  })

  test('concurrent calls share one discovery request, even if one of them is aborted', async () => {
    const leaving = new AbortController()
    const stays = oidc.discover(provider(), noAbort())
    const leaves = failureOf(oidc.discover(provider(), leaving.signal))
    leaving.abort()
    expect((await leaves).code).toBe('cancelled')
    expect((await stays).issuer).toBe(server.origin)
    expect(paths()).toHaveLength(1)
  })
})

test('a provider with the required members of discovery only has no optional features', async () => {
  const { issuer, token_endpoint } = discoveryDocument(server.origin)
  server.script[OPENID] = { body: { issuer, token_endpoint, scopes_supported: 'openid' } }
  expect(await oidc.discover(provider(), noAbort())).toEqual({
    issuer,
    scopesSupported: [],
    hasDeviceFlow: false,
    hasRegistration: false,
    hasRevocation: false,
    allowsScopeUpgrade: false,
    profile: 'generic',
    profileTitle: 'OpenID provider',
    refreshTokenSeconds: undefined,
  })
})
