import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../test/issuer/faults.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { clientFrom, type IssuerLogin, loginAt } from '../../test/support/issuer-login.ts'
import { failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider, ProviderMetadata, TokenResponse } from '../oauth/provider.ts'

let issuer: Issuer
let oidc: OpenIdProvider
/** Milliseconds of the waits between attempts, on a clock that only the waits move. */
let waits: number[]
let time: number

beforeEach(async () => {
  waits = []
  time = 0
  issuer = await startIssuer({ mode: 'rotating' })
  oidc = createOpenIdProvider({
    timeouts: { totalMs: 2000 },
    retryPolicy: {
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
  return oidc.discover(providerConfig(issuer.issuer, issuer.caPath), signal)
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

describe('a GET request', () => {
  test.each<[string, Fault]>([
    ['502', busy(502)],
    ['503', busy(503)],
    ['504', busy(504)],
    ['429', busy(429)],
    ['a connection that is cut', { kind: 'reset' }],
    ['a response that breaks off', { kind: 'reset-after-headers' }],
  ])('a GET is repeated after %s, with growing waits', async (_what, fault) => {
    issuer.fault('discovery', fault, { times: 2 })
    expect((await discover()).issuer).toBe(issuer.issuer)
    expect(waits).toEqual([187.5, 375])
  })

  test('a GET is sent at most three times', async () => {
    issuer.fault('discovery', busy(503), { times: 3 })
    expect((await failureOf(discover())).code).toBe('provider-unavailable')
    expect(issuer.requestsTo('discovery')).toHaveLength(3)
  })

  test('the wait before a retry includes Retry-After', async () => {
    issuer.fault('discovery', busy(503, '1'))
    await discover()
    expect(waits).toEqual([1187.5])
  })

  test('a GET is not repeated if Retry-After exceeds the time limit', async () => {
    issuer.fault('discovery', busy(429, '2'))
    expect(await failureOf(discover())).toMatchObject({
      code: 'rate-limited',
      message: expect.stringContaining('(retry after 2 s)') as string,
    })
    expect(waits).toEqual([])
  })

  test.each<Fault>([busy(500), busy(404), { kind: 'truncated-json' }])(
    'a GET is not repeated after %j',
    async (fault) => {
      issuer.fault('discovery', fault)
      await failureOf(discover())
      expect(waits).toEqual([])
    },
  )
})

describe('a refresh request', () => {
  test.each<[string, Fault, boolean]>([
    ['the connection is closed before the response', { kind: 'reset' }, true],
    ['the connection is closed within the response', { kind: 'reset-after-headers' }, true],
    ['an overloaded proxy', busy(503), true],
    ['a proxy that lost the provider', busy(502, '1'), true],
    // Varnish sends this when a response took too long.
    ['a cache with Retry-After', busy(503, '1'), true],
  ])('a refresh token is never sent twice (%s)', async (_what, fault, afterEffect) => {
    const one = await login()
    const before = issuer.requestsTo('token').length
    issuer.fault('token', fault, { afterEffect })
    await failureOf(refresh(one))
    expect(issuer.requestsTo('token').length - before).toBe(1)
    expect(waits).toEqual([])
  })

  test('a refresh token is sent again after 429 with Retry-After', async () => {
    const one = await login()
    issuer.fault('token', busy(429, '1'))
    expect((await refresh(one)).refreshToken?.reveal()).not.toBe(one.refreshToken.reveal())
    expect(waits).toEqual([1187.5])
  })

  test('a refresh token is sent again if the connection was refused', async () => {
    const one = await login()
    await issuer.down()
    // The first request may have used the open connection of the login.
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
  test('requests fail at once after two failures, until the back-off has elapsed', async () => {
    const one = await login()
    await issuer.down()
    await failureOf(refresh(one))
    await failureOf(refresh(one))
    waits = []
    expect((await failureOf(refresh(one))).message).toContain('next attempt in 1 s')
    expect(waits).toEqual([])
    await issuer.up()
    time += 1000
    expect((await refresh(one)).accessToken).not.toBe('')
  })
})

test('a request fails as cancelled when its caller aborts it during a wait', async () => {
  const caller = new AbortController()
  const waiting = createOpenIdProvider({
    retryPolicy: {
      pause: (_milliseconds, signal) => {
        caller.abort()
        return Promise.reject(new Error(`aborted: ${signal.aborted}`))
      },
    },
  })
  try {
    const client = clientFrom(issuer, issuer.addClient())
    await waiting.discover(client.provider, noAbort())
    issuer.fault('token', busy(429, '1'))
    const parameters = { scope: undefined, audience: undefined }
    const failure = await failureOf(
      waiting.clientCredentialsGrant(client, parameters, caller.signal),
    )
    expect(failure.code).toBe('cancelled')
  } finally {
    await waiting.close()
  }
})
