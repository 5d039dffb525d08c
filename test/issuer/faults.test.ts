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

/** Why a request failed, as Node says it. */
async function causeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(error)
}

describe('how often', () => {
  const fault: Fault = { kind: 'status', status: 503 }

  test.each([
    [undefined, [503, 200, 200]],
    [2, [503, 503, 200]],
    ['always', [503, 503, 503]],
  ] as const)('%s: %j', async (times, expected) => {
    issuer.fault('discovery', fault, times === undefined ? {} : { times })
    const statuses = [await discover(), await discover(), await discover()].map(
      ({ status }) => status,
    )
    expect(statuses).toEqual(expected)
    issuer.clearFaults()
    expect((await discover()).status).toBe(200)
  })

  test('one after the other, each endpoint for itself', async () => {
    issuer.fault('discovery', fault)
    issuer.fault('discovery', { kind: 'html' })
    issuer.fault('jwks', fault)
    expect((await discover()).status).toBe(503)
    expect((await discover()).headers.get('content-type')).toContain('text/html')
    expect((await probe.ask(issuer.url('jwks'))).status).toBe(503)
  })
})

describe('another answer', () => {
  test('429 with Retry-After, and a body', async () => {
    const headers = { 'retry-after': '7' }
    issuer.fault('every', { kind: 'status', status: 429, headers, body: { error: 'busy' } })
    const response = await discover()
    expect(response).toMatchObject({ status: 429, json: { error: 'busy' } })
    expect(response.headers.get('retry-after')).toBe('7')
  })

  test("any of the provider's own errorResponses", async () => {
    issuer.fault('token', { kind: 'error-response', reason: 'deviceSlowDown' })
    expect((await probe.poll(client, 'x')).json['error']).toBe('slow_down')
  })

  test('a redirect, which nobody has to follow', async () => {
    issuer.fault('token', { kind: 'redirect' })
    const response = await probe.refresh(client, 'x')
    expect(response.status).toBe(307)
    expect(response.headers.get('location')).toBe(`${issuer.origin}/elsewhere`)
    expect(issuer.requests.map(({ path }) => path)).toEqual(['/token'])
  })
})

describe('an altered answer', () => {
  test('half of the JSON', async () => {
    issuer.fault('discovery', { kind: 'truncated-json' })
    const { text, headers } = await discover()
    expect(text.startsWith('{"issuer":')).toBe(true)
    expect(() => JSON.parse(text) as unknown).toThrow()
    expect(headers.get('content-type')).toBe('application/json')
  })

  test('10 MB of good JSON', async () => {
    issuer.fault('discovery', { kind: 'huge-body' })
    const { text, json } = await discover()
    expect(text.length).toBeGreaterThan(10_000_000)
    expect(json['issuer']).toBe(issuer.issuer)
  })

  test('another content type', async () => {
    issuer.fault('discovery', { kind: 'content-type', type: 'text/plain' })
    const { headers, json } = await discover()
    expect(headers.get('content-type')).toBe('text/plain')
    expect(json['issuer']).toBe(issuer.issuer)
  })

  test('members changed and missing, several faults at once', async () => {
    issuer.fault('discovery', [
      { kind: 'members', members: { token_endpoint: 'http://evil.example' } },
      { kind: 'without', members: ['jwks_uri'] },
    ])
    const { json } = await discover()
    expect(json['token_endpoint']).toBe('http://evil.example')
    expect(json).not.toHaveProperty('jwks_uri')
  })

  test('control characters and shell commands in every string, but for the excepted', async () => {
    issuer.fault('discovery', { kind: 'hostile', except: ['issuer'] })
    const { json } = await discover()
    expect(json['issuer']).toBe(issuer.issuer)
    expect(json['token_endpoint']).toBe(`${issuer.url('token')}${HOSTILE}`)
    expect(json['scopes_supported']).toContain(`openid${HOSTILE}`)
  })
})

describe('no answer', () => {
  test('reset', async () => {
    issuer.fault('discovery', { kind: 'reset' })
    expect(await causeOf(discover())).toBe('ECONNRESET')
    expect((await discover()).status).toBe(200)
  })

  test('reset-after-headers', async () => {
    issuer.fault('discovery', { kind: 'reset-after-headers' })
    // Whether the reset or the end of the data is seen first is up to the kernel.
    expect(['ECONNRESET', 'UND_ERR_SOCKET']).toContain(await causeOf(discover()))
    expect((await discover()).status).toBe(200)
  })

  test.each([
    ['hang-before-headers', ''],
    ['hang-after-headers', 'HTTP/1.1 200 OK'],
  ] as const)('%s', async (kind, start) => {
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

  test('carried out, and the answer lost: the client knows nothing of the new token', async () => {
    issuer.set({ rotation: 'new one, old one dies' })
    const first = await probe.login(client)
    issuer.fault('token', { kind: 'reset' }, { afterEffect: true })
    expect(await causeOf(probe.refresh(client, first['refresh_token']))).toBe('ECONNRESET')
    expect((await probe.refresh(client, first['refresh_token'])).status).toBe(401)
  })

  test('not carried out: the token is as good as before', async () => {
    issuer.set({ rotation: 'new one, old one dies' })
    const first = await probe.login(client)
    issuer.fault('token', { kind: 'status', status: 502, body: 'Bad Gateway' })
    expect((await probe.refresh(client, first['refresh_token'])).text).toBe('Bad Gateway')
    expect((await probe.refresh(client, first['refresh_token'])).status).toBe(200)
  })
})

describe('a late answer', () => {
  test('held until the test lets go', async () => {
    let letGo = (): void => undefined
    const until = new Promise<void>((resolve) => {
      letGo = resolve
    })
    issuer.fault('token', { kind: 'hold', until }, { times: 2 })
    const asked = [probe.refresh(client, 'x'), probe.refresh(client, 'y')]
    await issuer.received('token', 2)
    expect((await discover()).status).toBe(200)
    letGo()
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([401, 401])
    expect(issuer.counters().mostTokenRequestsAtOnce).toBe(2)
  })

  test('late by so many milliseconds', async () => {
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
    'a certificate: %s',
    async (choice, code) => {
      expect((await discover()).status).toBe(200)
      issuer.present(choice)
      expect(await causeOf(discover())).toBe(code)
      issuer.present('good')
      expect((await discover()).status).toBe(200)
    },
  )

  test('nobody listens, until it is up again', async () => {
    await issuer.down()
    expect(await causeOf(discover())).toBe('ECONNREFUSED')
    await issuer.up()
    expect((await discover()).status).toBe(200)
  })
})

describe('untruths', () => {
  test('another issuer in discovery', async () => {
    issuer.set({ issuerPublished: 'https://other.example' })
    expect((await discover()).json['issuer']).toBe('https://other.example')
  })

  test.each([600, -600])('a clock that is %i s off: Date and iat', async (clockOffsetSeconds) => {
    issuer.set({ clockOffsetSeconds })
    const now = Date.now() / 1000
    const dated = Date.parse((await discover()).headers.get('date') ?? '') / 1000
    expect(Math.abs(dated - now - clockOffsetSeconds)).toBeLessThan(5)
    const { access_token: token } = await probe.login(client)
    const { iat = 0 } = payloadOf(String(token))
    expect(Math.abs(iat - now - clockOffsetSeconds)).toBeLessThan(5)
  })

  test('no expires_in, another audience, another scope', async () => {
    issuer.changeClient(client.id, { scope: ['openid', 'wlcg', 'compute.read'] })
    issuer.set({ expiresInShown: false, audienceReturned: 'evil.example', scopeReturned: 'less' })
    const answer = await probe.login(client, { audience: 'a.example' })
    expect(answer).not.toHaveProperty('expires_in')
    expect(answer['scope']).toBe('less')
    const payload = payloadOf(String(answer['access_token']))
    expect(payload).toMatchObject({ aud: 'evil.example', scope: 'less' })
  })
})

test('every request is written down, with form and headers, and counted', async () => {
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
