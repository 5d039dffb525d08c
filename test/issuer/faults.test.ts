import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { type Fault, HOSTILE } from './faults.ts'
import { credentialsOf, HttpProbe, type ProbeResponse } from './http-probe.ts'
import { type CertificateChoice, type Issuer, startIssuer } from './start-issuer.ts'
import type { KnownClient } from './store.ts'

let issuer: Issuer
let probe: HttpProbe
let client: KnownClient

beforeEach(async () => {
  issuer = await startIssuer({ mode: 'iam' })
  probe = new HttpProbe(issuer)
  client = issuer.addClient()
})

afterEach(async () => {
  await probe.close()
  await issuer.close()
})

function discover(): Promise<ProbeResponse> {
  return probe.ask(issuer.url('discovery'))
}

/** The error code of a failed request. */
async function causeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(error)
}

describe('number of faulty responses', () => {
  const fault: Fault = { kind: 'status', status: 503 }

  test.each([
    [undefined, [503, 200, 200]],
    [2, [503, 503, 200]],
    ['always', [503, 503, 503]],
  ] as const)('a fault with times %s gives the statuses %j', async (times, expected) => {
    issuer.fault('discovery', fault, times === undefined ? {} : { times })
    const statuses = [await discover(), await discover(), await discover()].map(
      ({ status }) => status,
    )
    expect(statuses).toEqual(expected)
    issuer.clearFaults()
    expect((await discover()).status).toBe(200)
  })

  test('faults of one endpoint are applied in their order, independently of other endpoints', async () => {
    issuer.fault('discovery', fault)
    issuer.fault('discovery', { kind: 'html' })
    issuer.fault('jwks', fault)
    expect((await discover()).status).toBe(503)
    expect((await discover()).headers.get('content-type')).toContain('text/html')
    expect((await probe.ask(issuer.url('jwks'))).status).toBe(503)
  })
})

describe('faults that replace the response', () => {
  test('the fault status sends any status, headers and body', async () => {
    const headers = { 'retry-after': '7' }
    issuer.fault('every', { kind: 'status', status: 429, headers, body: { error: 'busy' } })
    const response = await discover()
    expect(response).toMatchObject({ status: 429, json: { error: 'busy' } })
    expect(response.headers.get('retry-after')).toBe('7')
  })

  test("the fault error-response sends any of the provider's error responses", async () => {
    issuer.fault('token', { kind: 'error-response', reason: 'deviceSlowDown' })
    expect((await probe.poll(client, 'x')).json['error']).toBe('slow_down')
  })

  test('the fault redirect sends a Location without an endpoint behind it', async () => {
    issuer.fault('token', { kind: 'redirect' })
    const response = await probe.refresh(client, 'x')
    expect(response.status).toBe(307)
    expect(response.headers.get('location')).toBe(`${issuer.origin}/elsewhere`)
    expect(issuer.requests.map(({ path }) => path)).toEqual(['/token'])
  })
})

describe('faults that change the response', () => {
  test('the fault truncated-json sends half of the JSON text', async () => {
    issuer.fault('discovery', { kind: 'truncated-json' })
    const { text, headers } = await discover()
    expect(text.startsWith('{"issuer":')).toBe(true)
    expect(() => JSON.parse(text) as unknown).toThrow()
    expect(headers.get('content-type')).toBe('application/json')
  })

  test('the fault huge-body sends 10 MB of valid JSON', async () => {
    issuer.fault('discovery', { kind: 'huge-body' })
    const { text, json } = await discover()
    expect(text.length).toBeGreaterThan(10_000_000)
    expect(json['issuer']).toBe(issuer.issuer)
  })

  test('the fault content-type sends the JSON text with another content type', async () => {
    issuer.fault('discovery', { kind: 'content-type', type: 'text/plain' })
    const { headers, json } = await discover()
    expect(headers.get('content-type')).toBe('text/plain')
    expect(json['issuer']).toBe(issuer.issuer)
  })

  test('the faults members and without change and remove members, both in one response', async () => {
    issuer.fault('discovery', [
      { kind: 'members', members: { token_endpoint: 'http://evil.example' } },
      { kind: 'without', members: ['jwks_uri'] },
    ])
    const { json } = await discover()
    expect(json['token_endpoint']).toBe('http://evil.example')
    expect(json).not.toHaveProperty('jwks_uri')
  })

  test('the fault hostile appends control characters and shell commands to every string, except in named members', async () => {
    issuer.fault('discovery', { kind: 'hostile', except: ['issuer'] })
    const { json } = await discover()
    expect(json['issuer']).toBe(issuer.issuer)
    expect(json['token_endpoint']).toBe(`${issuer.url('token')}${HOSTILE}`)
    expect(json['scopes_supported']).toContain(`openid${HOSTILE}`)
  })
})

describe('faults without a complete response', () => {
  test('the fault reset resets the connection', async () => {
    issuer.fault('discovery', { kind: 'reset' })
    expect(await causeOf(discover())).toBe('ECONNRESET')
    expect((await discover()).status).toBe(200)
  })

  test('the fault reset-after-headers resets the connection in the middle of the body', async () => {
    issuer.fault('discovery', { kind: 'reset-after-headers' })
    // Whether the reset or the end of the data is seen first is up to the kernel.
    expect(['ECONNRESET', 'UND_ERR_SOCKET']).toContain(await causeOf(discover()))
    expect((await discover()).status).toBe(200)
  })

  test.each([
    ['hang-before-headers', ''],
    ['hang-after-headers', 'HTTP/1.1 200 OK'],
  ] as const)('the fault %s sends "%s" and keeps the connection open', async (kind, start) => {
    issuer.fault('discovery', { kind })
    const { port, hostname } = new URL(issuer.origin)
    const socket = connect({ port: Number(port), host: hostname, ca: issuer.caPem })
    let response = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      response += text
    })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const arrived =
      start === '' ? undefined : new Promise((resolve) => socket.once('data', resolve))
    socket.write('GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await issuer.received('discovery')
    // The next request is answered on another connection, and still nothing more comes on this one.
    expect((await discover()).status).toBe(200)
    await arrived
    expect(response.slice(0, 15)).toBe(start)
    expect(response.endsWith('}')).toBe(false)
    socket.destroy()
    await closed
  })

  test('a reset with afterEffect loses the new refresh token, and the old one is dead', async () => {
    issuer.set({ rotation: 'new one, old one dies' })
    const first = await probe.login(client)
    issuer.fault('token', { kind: 'reset' }, { afterEffect: true })
    expect(await causeOf(probe.refresh(client, first['refresh_token']))).toBe('ECONNRESET')
    expect((await probe.refresh(client, first['refresh_token'])).status).toBe(401)
  })

  test('a 502 without afterEffect leaves the refresh token valid', async () => {
    issuer.set({ rotation: 'new one, old one dies' })
    const first = await probe.login(client)
    issuer.fault('token', { kind: 'status', status: 502, body: 'Bad Gateway' })
    expect((await probe.refresh(client, first['refresh_token'])).text).toBe('Bad Gateway')
    expect((await probe.refresh(client, first['refresh_token'])).status).toBe(200)
  })
})

describe('faults that delay the response', () => {
  test('the fault hold delays responses until the test releases them, and other endpoints answer meanwhile', async () => {
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    issuer.fault('token', { kind: 'hold', until }, { times: 2 })
    const refreshes = [probe.refresh(client, 'x'), probe.refresh(client, 'y')]
    await issuer.received('token', 2)
    expect((await discover()).status).toBe(200)
    release()
    expect((await Promise.all(refreshes)).map(({ status }) => status)).toEqual([401, 401])
    expect(issuer.counters().mostTokenRequestsAtOnce).toBe(2)
  })

  test('the fault latency delays a response by the given milliseconds', async () => {
    issuer.fault('discovery', { kind: 'latency', ms: 30 })
    const startedAt = performance.now()
    await discover()
    expect(performance.now() - startedAt).toBeGreaterThan(28)
  })
})

describe('TLS', () => {
  test.each([
    ['expired', 'CERT_HAS_EXPIRED'],
    ['foreign', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['other host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const satisfies readonly (readonly [CertificateChoice, string])[])(
    'a client refuses the certificate "%s" with %s',
    async (choice, code) => {
      expect((await discover()).status).toBe(200)
      issuer.present(choice)
      expect(await causeOf(discover())).toBe(code)
      issuer.present('good')
      expect((await discover()).status).toBe(200)
    },
  )

  test('connections are refused after down() and accepted again after up()', async () => {
    await issuer.down()
    expect(await causeOf(discover())).toBe('ECONNREFUSED')
    await issuer.up()
    expect((await discover()).status).toBe(200)
  })
})

describe('wrong values', () => {
  test('the setting issuerPublished replaces the issuer in the discovery document', async () => {
    issuer.set({ issuerPublished: 'https://other.example' })
    expect((await discover()).json['issuer']).toBe('https://other.example')
  })

  test.each([600, -600])(
    'Date and iat of a provider follow its clock, which is %i s off',
    async (clockOffsetSeconds) => {
      issuer.set({ clockOffsetSeconds })
      const now = Date.now() / 1000
      const dated = Date.parse((await discover()).headers.get('date') ?? '') / 1000
      expect(Math.abs(dated - now - clockOffsetSeconds)).toBeLessThan(5)
      const { access_token: token } = await probe.login(client)
      const { iat = 0 } = payloadOf(String(token))
      expect(Math.abs(iat - now - clockOffsetSeconds)).toBeLessThan(5)
    },
  )

  test('settings remove expires_in and replace audience and scope', async () => {
    issuer.changeClient(client.id, { scope: ['openid', 'wlcg', 'compute.read'] })
    issuer.set({ expiresInShown: false, audienceReturned: 'evil.example', scopeReturned: 'less' })
    const response = await probe.login(client, { audience: 'a.example' })
    expect(response).not.toHaveProperty('expires_in')
    expect(response['scope']).toBe('less')
    const payload = payloadOf(String(response['access_token']))
    expect(payload).toMatchObject({ aud: 'evil.example', scope: 'less' })
  })
})

test('every request is recorded with form and headers, and counted', async () => {
  await probe.post('device', { ...credentialsOf(client), scope: 'openid' }, { 'x-test': 'yes' })
  await probe.poll(client, 'x')
  expect(issuer.requests[0]).toMatchObject({
    endpoint: 'device',
    method: 'POST',
    path: '/devicecode',
    form: { client_id: client.id, scope: 'openid' },
  })
  expect(issuer.requests[0]?.headers['x-test']).toBe('yes')
  expect(issuer.requestsTo('token')).toHaveLength(1)
  expect(issuer.counters()).toMatchObject({
    requests: { device: 1, token: 1 },
    grants: { 'urn:ietf:params:oauth:grant-type:device_code': 1 },
  })
})
