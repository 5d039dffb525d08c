import { getEventListeners, once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createAuthority, expired } from '../../test/support/certificates.ts'
import { failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import {
  type Script,
  type ScriptedServer,
  type ScriptedServerOptions,
  startScriptedServer,
} from '../../test/support/scripted-server.ts'
import { createOpenIdProvider, type OpenIdProviderOptions } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider } from '../oauth/provider.ts'

const DISCOVERY = '/.well-known/openid-configuration'

const open: { close(): Promise<void> | undefined }[] = []

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function serverWith(
  script: Script,
  options?: ScriptedServerOptions,
): Promise<ScriptedServer> {
  const server = await startScriptedServer(script, options)
  open.push(server)
  return server
}

function providers(options?: OpenIdProviderOptions): OpenIdProvider {
  const oidc = createOpenIdProvider(options)
  open.push(oidc)
  return oidc
}

/** A listener that does not speak HTTP. */
async function rawServer(onSocket: (socket: Socket) => void): Promise<{ origin: string }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  open.push({
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { origin: `https://127.0.0.1:${address.port}` }
}

async function discoveryFailure(
  { origin, caPath }: { origin: string; caPath?: string },
  options?: OpenIdProviderOptions,
): Promise<{ code: string; message: string; hint: string | undefined }> {
  return failureOf(providers(options).discover(providerConfig(origin, caPath), noAbort()))
}

describe('network errors', () => {
  test('a refused connection is reported with the origin of the provider', async () => {
    const { origin, close } = await startScriptedServer()
    await close()
    expect(await discoveryFailure({ origin })).toMatchObject({
      code: 'network',
      message: `could not connect to url: ${origin} refused the connection (ECONNREFUSED)`,
    })
  })

  test('an unknown host name is reported', async () => {
    const failure = await discoveryFailure({ origin: 'https://op.invalid' })
    expect(failure.code).toBe('network')
    expect(failure.message).toMatch(
      /^could not connect to url: https:\/\/op\.invalid cannot be found: .* \((ENOTFOUND|EAI_AGAIN)\)$/,
    )
  })

  test('a TLS handshake that does not finish in time is reported', async () => {
    const silent = await rawServer(() => undefined)
    expect(await discoveryFailure(silent, { timeouts: { connectMs: 300 } })).toMatchObject({
      code: 'network',
      message: `could not connect to url: ${silent.origin} did not accept the connection within 0.3 s`,
    })
  })

  test('a response that does not arrive in time is a provider-timeout', async () => {
    const server = await serverWith({ [DISCOVERY]: 'hang' })
    const host = new URL(server.origin).host
    expect(await discoveryFailure(server, { timeouts: { totalMs: 300 } })).toMatchObject({
      code: 'provider-timeout',
      message: `${host} did not answer within 0.3 s`,
    })
  })

  test.each(['cut', 'half'] as const)(
    'a connection that the provider closes is reported (%s)',
    async (how) => {
      const server = await serverWith({ [DISCOVERY]: how })
      const failure = await discoveryFailure(server)
      expect(failure.code).toBe('network')
      expect(failure.message).toContain(`${server.origin} cut the connection`)
    },
  )

  test('a request fails as cancelled when its caller aborts it', async () => {
    const server = await serverWith({ [DISCOVERY]: 'hang' })
    const controller = new AbortController()
    const call = providers().discover(
      providerConfig(server.origin, server.caPath),
      controller.signal,
    )
    await expect.poll(() => server.requests.length).toBe(1)
    controller.abort()
    expect(await failureOf(call)).toMatchObject({ code: 'cancelled' })
  })

  test('a body is read up to 1 MiB', async () => {
    const server = await serverWith({ [DISCOVERY]: { body: 'x'.repeat(10 << 20) } })
    expect(await discoveryFailure(server)).toMatchObject({
      code: 'provider-answer',
      message: `${new URL(server.origin).host} answered with more than 1 MiB`,
    })
  })
})

describe('certificates', () => {
  test('an unknown certificate authority is named, with the option that trusts it', async () => {
    const { origin } = await serverWith({})
    const failure = await discoveryFailure({ origin })
    expect(failure.code).toBe('tls')
    expect(failure.message).toMatch(
      /^error with ssl cert: localhost:\d+ is not trusted: unable to verify the first certificate \(subject CN=localhost; issuer CN=throw-away CA; valid .*\)$/,
    )
    expect(failure.hint).toContain('--cp')
  })

  test('an expired certificate is reported with its dates', async () => {
    const server = await serverWith({}, { certificate: (authority) => authority.issue(expired()) })
    const failure = await discoveryFailure(server)
    expect(failure.message).toMatch(/certificate has expired \(subject CN=expired; .* to .* GMT\)$/)
    expect(failure.hint).toContain('clock')
  })

  test('a certificate of another authority is refused, and its issuer is named', async () => {
    const foreign = createAuthority('another authority')
    const server = await serverWith({}, { certificate: () => foreign.issue() })
    const failure = await discoveryFailure(server)
    expect(failure.code).toBe('tls')
    expect(failure.message).toContain('issuer CN=another authority')
  })

  test.each([
    ['of another host', { dnsNames: ['other.example'] }],
    ['that has expired', expired()],
  ])('NODE_TLS_REJECT_UNAUTHORIZED does not make a certificate %s trusted', async (_, options) => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const server = await serverWith({}, { certificate: (authority) => authority.issue(options) })
    expect((await discoveryFailure(server)).code).toBe('tls')
    expect(server.requests).toEqual([])
    vi.unstubAllEnvs()
  })

  test('an RSA key of a server must have 2048 bits', async () => {
    const weak = await serverWith(
      {},
      { certificate: (authority) => authority.issue({ rsaBits: 1536 }) },
    )
    const failure = await discoveryFailure(weak)
    expect(failure.code).toBe('tls')
    expect(failure.message).toContain(
      'is not trusted: its RSA key has 1536 bits, and at least 2048 are required (subject CN=localhost',
    )
    expect(weak.requests).toEqual([])
    const good = await serverWith(
      {},
      { certificate: (authority) => authority.issue({ rsaBits: 2048 }) },
    )
    const found = await providers().discover(providerConfig(good.origin, good.caPath), noAbort())
    expect(found.issuer).toBe(good.origin)
  })

  test('a certificate for another host is refused', async () => {
    const server = await serverWith(
      {},
      { certificate: (authority) => authority.issue({ dnsNames: ['other.example'] }) },
    )
    const failure = await discoveryFailure(server)
    expect(failure.code).toBe('tls')
    expect(failure.message).toContain("Host: localhost. is not in the cert's altnames")
  })

  test('a server that does not speak TLS is reported', async () => {
    const { origin } = await serverWith({}, { plain: true })
    expect(await discoveryFailure({ origin: origin.replace('http:', 'https:') })).toMatchObject({
      code: 'tls',
      message: expect.stringContaining('wrong version number') as string,
    })
  })

  test('CA bundles of the system and extra bundles are trusted', async () => {
    const server = await serverWith({})
    const address = providerConfig(server.origin)
    for (const options of [
      { systemCaFiles: ['/nonexistent', server.caPath] },
      { extraCaFiles: [server.caPath] },
    ]) {
      const metadata = await providers(options).discover(address, noAbort())
      expect(metadata.issuer).toBe(server.origin)
    }
  })
})

describe('plain http', () => {
  test.each(['localhost', '127.0.0.1'])(
    'plain http to %s is allowed if the issuer begins with http://',
    async (host) => {
      const { origin } = await serverWith({}, { plain: true, host })
      expect((await providers().discover(providerConfig(origin), noAbort())).issuer).toBe(origin)
    },
  )

  test.each(['http://op.example', 'http://127.0.0.1.op.example:80', 'ftp://localhost'])(
    'plain http to %s is refused',
    async (origin) => {
      const failure = await discoveryFailure({ origin })
      expect(failure.code).toBe('insecure-url')
      const { protocol, host } = new URL(origin)
      expect(failure.message).toBe(
        `Refusing ${protocol}//${host}: providers must use https (plain http is allowed only for localhost).`,
      )
    },
  )

  test('plain http is refused for an endpoint of an https provider', async () => {
    const server = await serverWith({})
    server.script[DISCOVERY] = {
      body: {
        issuer: server.origin,
        token_endpoint: 'http://localhost:1/token',
        registration_endpoint: 'http://localhost:1/r',
      },
    }
    const registration = {
      clientName: 'name',
      scope: 'openid',
      flows: ['device'],
      redirectUris: [],
      initialAccessToken: undefined,
    }
    const call = providers().register(
      providerConfig(server.origin, server.caPath),
      registration,
      noAbort(),
    )
    expect(await failureOf(call)).toMatchObject({ code: 'insecure-url' })
  })

  test('an issuer that is not a URL is reported', async () => {
    expect(await discoveryFailure({ origin: 'op example' })).toMatchObject({
      code: 'bad-request',
      message: "'op example' is not a URL",
    })
  })
})

describe('connections', () => {
  test('a connection is reused by requests that trust the same CA bundle, and only by those', async () => {
    const server = await serverWith({})
    const oidc = providers()
    const other = `${server.caPath}.copy`
    await copyFile(server.caPath, other)
    for (const certPath of [server.caPath, server.caPath, other]) {
      // A failure that keeps the connection open and caches no document for the next round.
      server.script[DISCOVERY] = { status: 500 }
      await failureOf(oidc.discover(providerConfig(server.origin, certPath), noAbort()))
    }
    const [first, second, third] = server.requests.map(({ port }) => port)
    expect(second).toBe(first)
    expect(third).not.toBe(first)
  })

  test('no listener stays on the signal of the caller', async () => {
    const server = await serverWith({})
    const { signal } = new AbortController()
    const oidc = providers()
    await oidc.discover(providerConfig(server.origin, server.caPath), signal)
    await failureOf(oidc.discover(providerConfig('https://localhost:1'), signal))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})
