import { afterEach, describe, expect, test } from 'vitest'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { GenSession, type Ran, type RunOptions } from '../../test/support/gen-session.ts'

const ok = { status: 'success' } as const
const STATE = '0:0abcdefghijklmnopqrstuvwx:3:abc'
const started = {
  status: 'accepted',
  uri: `https://op.example/auth?redirect_uri=http%3A%2F%2Flocalhost%3A4242&state=${STATE}`,
  state: STATE,
}
const token = { ...ok, access_token: 'AT', issuer: 'https://op.example/', expires_at: 1 }
const notYet = { status: 'NotFound', info: 'No loaded account info found' }
const denied = { status: 'failure', error: 'access_denied: no', code: 'provider-error' }

let session: GenSession
afterEach(() => session.close())

interface Login extends RunOptions {
  readonly gen?: JsonObject
  readonly lookups?: readonly JsonObject[]
  readonly exchange?: readonly JsonObject[]
  readonly argv?: readonly string[]
}

/** Runs a login for a token alone. */
async function login({
  gen = started,
  lookups = [token],
  exchange = [],
  argv = ['-w', 'code', '--redirect-uri=http://localhost:4242'],
  ...options
}: Login): Promise<Ran> {
  session = await GenSession.open({
    check: ok,
    scopes: { ...ok, info: '' },
    gen,
    state_lookup: lookups,
    code_exchange: exchange,
    term_http_server: ok,
  })
  const client = ['--client-id=c', '--client-secret=s', '--iss=https://op.example/', '--scope=x']
  return session.run(['--only-at', ...client, ...argv], options)
}

test('a login by browser shows the address, polls until the login is done, and ends the web server', async () => {
  const { status, stdout, stderr, opened } = await login({ lookups: [notYet, notYet, token] })
  expect(stdout).toBe('accepted\nAT\n')
  expect(status).toBe(0)
  expect(stderr).toContain(
    `visit the following URL in a Browser of your choice:\n${started.uri}\n\n`,
  )
  expect(stderr).toContain("oidc-gen --codeExchange='<url>'")
  expect(opened).toEqual([])
  expect(session.asked.slice(-4)).toEqual([
    'state_lookup',
    'state_lookup',
    'state_lookup',
    'term_http_server',
  ])
  expect(session.request('term_http_server')).toMatchObject({ state: STATE })
  expect(session.request('gen')).toMatchObject({ flow: ['code'] })
})

describe('The browser', () => {
  test.each([[{ DISPLAY: ':0' }], [{ WAYLAND_DISPLAY: 'wayland-0' }]])(
    'the browser is opened if a display is set: %j',
    async (env) => {
      const { opened, stderr } = await login({ env, argv: [] })
      expect(opened).toEqual([started.uri])
      expect(session.request('gen')).toMatchObject({ flow: ['code', 'device'] })
      expect(stderr).not.toContain('--codeExchange')
    },
  )

  test('the browser is not opened with --no-url-call', async () => {
    const { opened } = await login({ env: { DISPLAY: ':0' }, argv: ['--no-url-call'] })
    expect(opened).toEqual([])
  })
})

test('control characters in the address are not shown', async () => {
  const uri = 'https://op.example/\u001b[2J'
  const { stderr } = await login({ gen: { ...started, uri } })
  expect(stderr).toContain('https://op.example/?[2J')
})

test('spaces in an address of the C agent are encoded', async () => {
  const uri = 'https://op.example/?scope=openid profile email'
  const { stderr, opened } = await login({ gen: { ...started, uri }, env: { DISPLAY: ':0' } })
  expect(opened).toEqual(['https://op.example/?scope=openid%20profile%20email'])
  expect(stderr).toContain(opened[0])
})

test("a denied login ends with the provider's error", async () => {
  const { status, stderr } = await login({ lookups: [notYet, denied] })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^Error: access_denied: no$/m)
  expect(session.asked).toContain('term_http_server')
})

test('a login that is not completed ends after ten minutes', async () => {
  const { status, stderr, pauses } = await login({ lookups: [notYet] })
  expect(status).toBe(1)
  expect(stderr).toContain('Error: The login has expired')
  expect(pauses.reduce((sum, seconds) => sum + seconds, 0)).toBe(600)
})

test('a login by browser continues when a locked agent is unlocked', async () => {
  const locked = { status: 'failure', error: 'Agent locked', code: 'agent-locked' }
  const { status, stdout, stderr } = await login({ lookups: [notYet, locked, locked, token] })
  expect([status, stdout]).toEqual([0, 'accepted\nAT\n'])
  expect(stderr.match(/The agent is locked/g)).toHaveLength(1)
})

test('Ctrl-C ends a login by browser and the web server of the agent', async () => {
  const { status } = await login({ lookups: [notYet], interruptAt: 3 })
  expect(status).toBe('SIGINT')
  expect(session.asked.at(-1)).toBe('term_http_server')
})

test('an account that another oidc-gen has fetched is not saved here', async () => {
  const { status, stdout } = await login({
    lookups: [{ status: 'FoundButReceived', info: 'Account config already retrieved' }],
  })
  expect([status, stdout]).toEqual([0, 'accepted\n'])
})

describe('An address pasted into the terminal', () => {
  const QUESTION = 'Waiting for the browser.'
  const good = `http://localhost:4242/?code=C&state=${STATE}`

  test('a pasted address completes the login, and anything else is asked for again', async () => {
    const { stdout, terminal } = await login({
      showing: true,
      lookups: [notYet],
      exchange: [{ status: 'failure', error: 'wrong state', code: 'wrong-state' }, token],
      turns: [
        [QUESTION, ''],
        [QUESTION, 'http://localhost:4242/?code=C'],
        [QUESTION, good],
        [QUESTION, ` ${good} `],
      ],
    })
    expect(stdout).toBe('accepted\nAT\n')
    expect(terminal.screen).toContain('Error: Uri does not contain a state')
    expect(terminal.screen).toContain('Error: wrong state')
    expect(session.request('code_exchange')).toEqual({
      request: 'code_exchange',
      redirect_uri: good,
    })
  })

  test('a pasted error response ends the login', async () => {
    const { status, stderr } = await login({
      showing: true,
      lookups: [notYet],
      exchange: [denied],
      turns: [[QUESTION, `http://localhost:4242/?error=access_denied&state=${STATE}`]],
    })
    expect(status).toBe(1)
    expect(stderr).toContain('access_denied: no')
  })

  test('Ctrl-C at the question for the address ends the login', async () => {
    const { status } = await login({
      showing: true,
      lookups: [notYet],
      turns: [[QUESTION, new AgentError('cancelled', 'cancelled: interrupted')]],
    })
    expect(status).toBe('SIGINT')
    expect(session.asked).toContain('term_http_server')
  })

  test('with --prompt=none no address is asked for', async () => {
    const argv = ['-w', 'code', '--redirect-uri=http://localhost:4242', '--prompt=none']
    const { terminal } = await login({ showing: true, turns: [], argv })
    expect(terminal.screen).toEqual([])
  })
})

describe('Another oidc-gen receives the redirect', () => {
  const scheme = {
    ...started,
    uri: 'https://op.example/auth?redirect_uri=edu.kit.data.oidc-agent%3A%2Fredirect',
  }

  test('with a redirect by custom scheme this oidc-gen ends with success', async () => {
    const { status, stderr } = await login({ gen: scheme })
    expect(status).toBe(0)
    expect(stderr).toContain('Your browser will redirect you to another oidc-gen instance')
    expect(session.asked).not.toContain('term_http_server')
  })

  test('with --no-webserver this oidc-gen tells how to pass on the redirect, and ends with success', async () => {
    const argv = ['-w', 'code', '--redirect-uri=http://localhost:4242', '--no-webserver']
    const { status, stderr } = await login({ argv })
    expect(status).toBe(0)
    expect(stderr).toContain("redirect you to 'http://localhost:4242' which will not succeed")
    expect(session.request('gen')).toMatchObject({ no_webserver: true })
  })
})

test('--codeExchange for an access token prints the token and needs no password', async () => {
  session = await GenSession.open({ code_exchange: token })
  const state = STATE.replace('0:0', '0:1')
  const uri = `http://localhost:4242/?code=C&state=${state}`
  const { status, stdout } = await session.run([`--codeExchange=${uri}`])
  expect([status, stdout]).toEqual([0, 'AT\n'])
  expect(session.request('code_exchange')).toMatchObject({ redirect_uri: uri, from_gen: true })
})

test('--codeExchange fetches nothing if the account could not be saved', async () => {
  session = await GenSession.open({ code_exchange: token })
  const uri = `http://localhost:4242/?code=C&state=${STATE}`
  const { status, stderr } = await session.run([`--codeExchange=${uri}`])
  expect(status).toBe(1)
  expect(stderr).toContain('Error: there is no terminal to ask on')
  expect(session.asked).toEqual([])
})

test('--codeExchange without an agent in the environment trusts only a socket of the same user', async () => {
  session = await GenSession.open({ code_exchange: token })
  const path = Buffer.from('/etc/passwd')
  const state = `0:1abcdefghijklmnopqrstuvwx:${path.length}:${path.toString('base64url')}`
  const uri = `http://localhost:4242/?code=C&state=${state}`
  const { status, stderr } = await session.run([`--codeExchange=${uri}`], {
    env: { OIDC_SOCK: '', TMPDIR: session.home },
  })
  expect(status).toBe(1)
  expect(stderr).toContain('OIDC_SOCK is not set')
})
