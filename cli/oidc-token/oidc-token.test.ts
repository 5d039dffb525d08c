import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type ScriptedAgent, scriptedAgent } from '../../test/support/scripted-agent.ts'
import { type ExitOutcome, run } from '../run.ts'
import { testIo } from '../test-io.ts'
import { getToken } from './oidc-token.ts'
import { oidcToken } from './options.ts'

const token = {
  status: 'success',
  access_token: 'TOKEN',
  issuer: 'https://issuer.example',
  expires_at: 1700000000,
}
const unknown = {
  status: 'failure',
  error: 'No account configured with that short name',
}

const agents: ScriptedAgent[] = []

afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()))
})

async function agentThatSays(reply: JsonObject | string): Promise<ScriptedAgent> {
  const agent = await scriptedAgent(() => reply)
  agents.push(agent)
  return agent
}

async function oidcTokenOf(
  argv: readonly string[],
  env: Record<string, string>,
  terminal = false,
): Promise<{ status: ExitOutcome; stdout: string; stderr: string }> {
  // No account directory: nothing can be loaded from disk.
  const home = { HOME: '/nonexistent', TMPDIR: '/nonexistent' }
  const io = {
    ...testIo({ argv, env: { ...home, ...env }, terminal }),
    now: () => 1_700_000_000_000,
  }
  const status = await run(oidcToken, getToken, io)
  return { status, stdout: io.stdout.text, stderr: io.stderr.text }
}

describe('oidc-token with one agent', () => {
  test('oidc-token requests the token that the command line selects', async () => {
    const { path: OIDC_SOCK, requests } = await agentThatSays(token)
    const asks = (...argv: string[]): Promise<unknown> => oidcTokenOf(argv, { OIDC_SOCK })
    await asks('wlcg')
    await asks('https://issuer.example', '-f', '-t', '60')
    await asks('-s', 'a b', 'http://x', '--scope=c', '--aud=one', '--aud', 'two three', '-t60')
    await asks('--name=job wrapper', 'wlcg')
    expect(requests).toEqual([
      { request: 'access_token', account: 'wlcg', application_hint: 'oidc-token' },
      {
        request: 'access_token',
        issuer: 'https://issuer.example',
        application_hint: 'oidc-token',
        min_valid_period: -1,
      },
      {
        request: 'access_token',
        account: 'http://x',
        scope: 'a b c',
        audience: 'two three',
        application_hint: 'oidc-token',
        min_valid_period: 60,
      },
      { request: 'access_token', account: 'wlcg', application_hint: 'job wrapper' },
    ])
  })

  test('oidc-token prints the token on stdout and the notes of the agent on stderr', async () => {
    const { path: OIDC_SOCK } = await agentThatSays({ ...token, info: 'scope differs: x' })
    expect(await oidcTokenOf(['wlcg'], { OIDC_SOCK })).toEqual({
      status: 0,
      stdout: 'TOKEN\n',
      stderr: 'scope differs: x\n',
    })
  })

  test('oidc-token --id-token requests an ID token with the scopes of the command line', async () => {
    const { path: OIDC_SOCK, requests } = await agentThatSays({
      status: 'success',
      id_token: 'JWT',
      issuer: 'https://issuer.example',
    })
    const outcome = await oidcTokenOf(['--id-token', '-s', 'openid', '-c', 'wlcg'], { OIDC_SOCK })
    expect(outcome).toEqual({ status: 0, stdout: 'JWT\n', stderr: '' })
    expect(requests).toEqual([
      { request: 'id_token', account: 'wlcg', scope: 'openid', application_hint: 'oidc-token' },
    ])
  })

  test('an error of the agent is printed with its hint, and nothing on stdout', async () => {
    const { path: OIDC_SOCK } = await agentThatSays({
      status: 'failure',
      error: 'invalid_scope: no such scope',
      info: 'oidc-gen -m wlcg\n',
    })
    expect(await oidcTokenOf(['-a', 'wlcg'], { OIDC_SOCK })).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Error: invalid_scope: no such scope\noidc-gen -m wlcg\n',
    })
  })

  test.each([
    ['text that is not JSON', 'hello'],
    ['success without a token', { status: 'success' }],
    ['a token with an escape sequence', { ...token, access_token: 'a\u001b[2Jb' }],
    ['a token of two lines', { ...token, access_token: 'a\nb', info: 'fine' }],
  ])('an agent that replies with %s causes an error and nothing on stdout', async (_, reply) => {
    const { path: OIDC_SOCK } = await agentThatSays(reply)
    const outcome = await oidcTokenOf(['wlcg'], { OIDC_SOCK })
    expect(outcome).toMatchObject({ status: 1, stdout: '' })
    expect(outcome.stderr).toMatch(/^Error: .*\n$/)
  })

  test('a wrong command line is reported before the agent is asked', async () => {
    const { path: OIDC_SOCK, requests } = await agentThatSays(token)
    expect(await oidcTokenOf(['-o1', 'wlcg'], { OIDC_SOCK })).toMatchObject({ status: 64 })
    expect(await oidcTokenOf(['-t', 'x', 'wlcg'], { OIDC_SOCK })).toMatchObject({ status: 64 })
    expect(await oidcTokenOf([], { OIDC_SOCK })).toMatchObject({ status: 64 })
    for (const forgotten of ['--purpose=x', '--once', '--leave', '--cert-path=x']) {
      const said = await oidcTokenOf([forgotten, 'wlcg'], { OIDC_SOCK })
      expect(said).toMatchObject({ status: 64, stdout: '' })
    }
    expect(requests).toEqual([])
  })
})

describe('oidc-token with a local and a remote agent', () => {
  const noSocket = '/nonexistent/agent.sock'

  test('the remote agent is asked if the local one does not know the account', async () => {
    const local = await agentThatSays(unknown)
    const remote = await agentThatSays({ ...token, access_token: 'REMOTE' })
    const env = { OIDC_SOCK: local.path, OIDC_REMOTE_SOCK: remote.address }
    expect(await oidcTokenOf(['wlcg'], env)).toEqual({ status: 0, stdout: 'REMOTE\n', stderr: '' })
    expect(remote.requests).toEqual(local.requests)
  })

  test.each([[{ OIDC_SOCK: noSocket }], [{}]])(
    'the remote agent is asked if no local one runs: %j',
    async (env) => {
      const remote = await agentThatSays(token)
      const outcome = await oidcTokenOf(['wlcg'], { ...env, OIDC_REMOTE_SOCK: remote.address })
      expect(outcome).toEqual({ status: 0, stdout: 'TOKEN\n', stderr: '' })
    },
  )

  test('the error of the local agent is printed if both fail', async () => {
    const local = await agentThatSays(unknown)
    const remote = await agentThatSays({ status: 'failure', error: 'Agent locked' })
    const env = { OIDC_SOCK: local.path, OIDC_REMOTE_SOCK: remote.address }
    const outcome = await oidcTokenOf(['wlcg'], env)
    expect(outcome).toEqual({ status: 1, stdout: '', stderr: `Error: ${unknown.error}\n` })
    expect(remote.requests).toHaveLength(1)

    const neither = await oidcTokenOf(['wlcg'], { ...env, OIDC_SOCK: noSocket })
    expect(neither.stderr).toMatch(/^Error: Could not connect to oidc-agent: .*\/nonexistent\//)
  })

  test('the remote agent is not asked after a token or another error of the local one', async () => {
    const remote = await agentThatSays(token)
    for (const reply of [token, { status: 'failure', error: 'Agent locked' }]) {
      const local = await agentThatSays(reply)
      await oidcTokenOf(['wlcg'], { OIDC_SOCK: local.path, OIDC_REMOTE_SOCK: remote.address })
    }
    expect(remote.requests).toEqual([])
  })
})

test('oidc-token --strict sends a strict request', async () => {
  const { path: OIDC_SOCK, requests } = await agentThatSays(token)
  await oidcTokenOf(['--strict', '-s', 'x', 'wlcg'], { OIDC_SOCK })
  expect(requests).toMatchObject([{ request: 'access_token', scope: 'x', strict: true }])
})

test('a login that ends soon is announced on stderr only if that is a terminal', async () => {
  const ending = { ...token, refresh_token_expires_at: 1_700_000_000 + 2 * 86_400 }
  const { path: OIDC_SOCK } = await agentThatSays(ending)
  const read = await oidcTokenOf(['wlcg'], { OIDC_SOCK }, true)
  expect(read.stdout).toBe('TOKEN\n')
  expect(read.stderr).toMatch(
    /^the login of wlcg ends in 2 days \(2023-11-1\d\): oidc-gen wlcg --reauthenticate\n$/,
  )
  expect(await oidcTokenOf(['wlcg'], { OIDC_SOCK })).toMatchObject({ stderr: '' })
})
