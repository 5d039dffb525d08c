import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../test/issuer/faults.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { clientFrom, type IssuerLogin, loginAt } from '../../test/support/issuer-login.ts'
import { addressOf, failureOf, noAbort } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider, ProviderMetadata, TokenResponse } from '../oauth/provider.ts'

let issuer: Issuer
let oidc: OpenIdProvider
/** Milliseconds waited between tries, on a clock that nothing else moves. */
let waits: number[]
let time: number

beforeEach(async () => {
  waits = []
  time = 0
  issuer = await startIssuer({ mode: 'rotating' })
  oidc = createOpenIdProvider({
    timeouts: { totalMs: 2000 },
    patience: {
      now: () => time,
      random: () => 0.5,
      pause: (milliseconds) => {
        waits.push(milliseconds)
        time += milliseconds
        return Promise.resolve()
      },
    },
  })
})

afterEach(async () => {
  await oidc.close()
  await issuer.close()
})

function discover(signal = noAbort()): Promise<ProviderMetadata> {
  return oidc.discover(addressOf(issuer.issuer, issuer.caPath), signal)
}

const login = (): Promise<IssuerLogin> =>
  loginAt(issuer, oidc, clientFrom(issuer, issuer.addClient()))

function refresh({ client, refreshToken }: IssuerLogin): Promise<TokenResponse> {
  return oidc.refreshTokenGrant(
    client,
    { refreshToken, scope: undefined, audience: undefined },
    noAbort(),
  )
}

const busy = (status: number, retryAfter?: string): Fault => ({
  kind: 'status',
  status,
  ...(retryAfter === undefined ? {} : { headers: { 'retry-after': retryAfter } }),
})

describe('a question', () => {
  test.each<[string, Fault]>([
    ['502', busy(502)],
    ['503', busy(503)],
    ['504', busy(504)],
    ['429', busy(429)],
    ['a connection that is cut', { kind: 'reset' }],
    ['an answer that breaks off', { kind: 'reset-after-headers' }],
  ])('is asked again after %s, with growing pauses', async (_what, fault) => {
    issuer.fault('discovery', fault, { times: 2 })
    expect((await discover()).issuer).toBe(issuer.issuer)
    expect(waits).toEqual([187.5, 375])
  })

  test('is asked three times at most', async () => {
    issuer.fault('discovery', busy(503), { times: 3 })
    expect((await failureOf(discover())).code).toBe('provider-unavailable')
    expect(issuer.requestsTo('discovery')).toHaveLength(3)
  })

  test('waits as long as it is told to', async () => {
    issuer.fault('discovery', busy(503, '1'))
    await discover()
    expect(waits).toEqual([1187.5])
  })

  test('is not asked again when that is later than anybody waits', async () => {
    issuer.fault('discovery', busy(429, '2'))
    expect(await failureOf(discover())).toMatchObject({
      code: 'rate-limited',
      message: expect.stringContaining('(to be asked again in 2 s)') as string,
    })
    expect(waits).toEqual([])
  })

  test.each<Fault>([busy(500), busy(404), { kind: 'truncated-json' }])(
    'is answered once and for all by %j',
    async (fault) => {
      issuer.fault('discovery', fault)
      await failureOf(discover())
      expect(waits).toEqual([])
    },
  )
})

describe('a refresh token', () => {
  test.each<[string, Fault, boolean]>([
    ['cut before the answer', { kind: 'reset' }, true],
    ['cut in the answer', { kind: 'reset-after-headers' }, true],
    ['an overloaded proxy', busy(503), true],
    ['a proxy that lost the provider', busy(502, '1'), true],
    // As Varnish does, when the answer took too long.
    ['a cache that names a time to come back', busy(503, '1'), true],
  ])('is never sent twice: %s', async (_what, fault, afterEffect) => {
    const one = await login()
    const before = issuer.requestsTo('token').length
    issuer.fault('token', fault, { afterEffect })
    await failureOf(refresh(one))
    expect(issuer.requestsTo('token').length - before).toBe(1)
    expect(waits).toEqual([])
  })

  test('is sent again when it was one request too much', async () => {
    const one = await login()
    issuer.fault('token', busy(429, '1'))
    expect((await refresh(one)).refreshToken?.reveal()).not.toBe(one.refreshToken.reveal())
    expect(waits).toEqual([1187.5])
  })

  test('is sent again when nobody took the connection', async () => {
    const one = await login()
    await issuer.down()
    // The first one may still have found the connection of the login.
    await failureOf(refresh(one))
    waits = []
    const failure = await failureOf(refresh(one))
    expect(failure).toMatchObject({
      code: 'network',
      message: expect.stringContaining('refused the connection') as string,
    })
    expect(waits).toEqual([187.5, 375])
  })
})

describe('a provider that is down', () => {
  test('fails at once from the second time on, until the pause is over', async () => {
    const one = await login()
    await issuer.down()
    await failureOf(refresh(one))
    await failureOf(refresh(one))
    waits = []
    expect((await failureOf(refresh(one))).message).toContain('not asked again for 1 s')
    expect(waits).toEqual([])
    await issuer.up()
    time += 1000
    expect((await refresh(one)).accessToken).not.toBe('')
  })
})

test('who gives up while waiting is told so', async () => {
  const giving = new AbortController()
  const patient = createOpenIdProvider({
    patience: {
      pause: (_milliseconds, signal) => {
        giving.abort()
        return Promise.reject(new Error(`aborted: ${signal.aborted}`))
      },
    },
  })
  try {
    const client = clientFrom(issuer, issuer.addClient())
    await patient.discover(client.provider, noAbort())
    issuer.fault('token', busy(429, '1'))
    const parameters = { scope: undefined, audience: undefined }
    const failure = await failureOf(
      patient.clientCredentialsGrant(client, parameters, giving.signal),
    )
    expect(failure.code).toBe('cancelled')
  } finally {
    await patient.close()
  }
})
