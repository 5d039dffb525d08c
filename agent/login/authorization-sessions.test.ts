import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AgentError } from '../../protocol/wire/errors.ts'
import { freePort } from '../../test/support/free-port.ts'
import {
  type AuthorizationSession,
  AuthorizationSessions,
  type LoginReply,
} from './authorization-sessions.ts'

const STATE = '0:0abcdefghijklmnopqrstuvwx:3:L3Rt'
const reply: LoginReply = { status: 'success', config: { name: 'wlcg' } }

let now: number
let port: number
let logins: AuthorizationSessions
let exchanges: AbortSignal[]
let answer: () => Promise<LoginReply>

beforeEach(async () => {
  now = 0
  port = await freePort()
  exchanges = []
  answer = () => Promise.resolve(reply)
  logins = new AuthorizationSessions({
    runtime: { now: () => now, random: () => 0 },
    isLocked: () => false,
    lifetimeMs: 60_000,
  })
})

afterEach(async () => {
  await logins.close()
})

async function add(state: string, changes: Partial<AuthorizationSession> = {}): Promise<void> {
  expect(await logins.take(port)).toBe(true)
  logins.add(state, {
    name: { account: 'wlcg', issuer: 'https://op.example' },
    onlyAccessToken: false,
    redirect: { uri: `http://localhost:${port}`, port, path: '/' },
    exchange: (_answer, signal) => {
      exchanges.push(signal)
      return answer()
    },
    ...changes,
  })
}

function visit(state: string): Promise<Response> {
  return fetch(`http://localhost:${port}/?code=c&state=${encodeURIComponent(state)}`)
}

describe('an expired login', () => {
  test('an expired login accepts no code from the browser or the socket, and both get the reason', async () => {
    await add(STATE)
    now = 60_000
    const page = await visit(STATE)
    expect(page.status).toBe(410)
    expect(await page.text()).toContain('This login has expired')
    const code = { code: 'c', issuerParameter: undefined, isPassedOn: true }
    await expect(logins.exchange(STATE, code, false)).rejects.toThrow('has expired')
    expect(() => logins.fetch(STATE)).toThrow('has expired')
    expect(exchanges).toEqual([])
  })

  test('an expired login releases its port', async () => {
    await logins.close()
    logins = new AuthorizationSessions({
      runtime: { now: () => now, random: () => 0 },
      isLocked: () => false,
      lifetimeMs: 1,
      lingerMs: 1,
    })
    await add(STATE)
    await expect.poll(() => visit(STATE).catch(() => 'nobody')).toBe('nobody')
    expect(logins.fetch(STATE)).toMatchObject({ status: 'NotFound' })
  })
})

test('at most 100 logins wait: one more drops the oldest', async () => {
  for (let index = 0; index < 101; index += 1) await add(`state ${index}`)
  expect((await visit('state 0')).status).toBe(400)
  expect((await visit('state 1')).status).toBe(200)
  expect((await visit('state 100')).status).toBe(200)
})

test('an agent that ends closes its redirect servers and aborts its code exchanges', async () => {
  let fail: (error: AgentError) => void = () => undefined
  answer = () =>
    new Promise((_resolve, reject) => {
      fail = reject
    })
  await add(STATE)
  const page = visit(STATE)
  await expect.poll(() => exchanges.length).toBe(1)
  const closed = logins.close()
  expect(exchanges[0]?.aborted).toBe(true)
  fail(new AgentError('cancelled', 'the agent is shutting down'))
  expect((await page).status).toBe(502)
  await closed
  await expect(visit(STATE)).rejects.toThrow('fetch failed')
})

test('a login that ends during its code exchange releases its port once', async () => {
  let succeed: (reply: LoginReply) => void = () => undefined
  answer = () =>
    new Promise((resolve) => {
      succeed = resolve
    })
  await add(STATE)
  await add('another')
  const page = visit(STATE)
  await expect.poll(() => exchanges.length).toBe(1)
  logins.end(STATE)
  succeed(reply)
  expect((await page).status).toBe(200)
  // The other login still waits.
  answer = () => Promise.resolve(reply)
  expect((await visit('another')).status).toBe(200)
})

test('the page for an internal error does not show its message', async () => {
  answer = () => Promise.reject(new TypeError('secret details'))
  await add(STATE)
  const page = await visit(STATE)
  expect(page.status).toBe(502)
  expect(await page.text()).not.toContain('secret details')
  expect(() => logins.fetch(STATE)).toThrow('internal error of the agent')
})
