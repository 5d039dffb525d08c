import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterEach, describe, expect, test } from 'vitest'
import { type ScriptedAgent, scriptedAgent } from '../../test/support/scripted-agent.ts'
import type { JsonObject } from '../wire/messages.ts'
import { AgentError, getAccessToken, type TokenOptions } from './library.ts'

const good = {
  status: 'success',
  access_token: 'TOKEN',
  issuer: 'https://issuer.example/',
  expires_at: 1_800_000_000,
  scope: 'a b',
  info: 'scope differs: c was not granted',
}
const unknown = {
  status: 'failure',
  error: 'No account configured with that short name',
  info: 'oidc-gen wlcg',
}

const agents: ScriptedAgent[] = []

afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()))
})

async function agentReplying(reply: JsonObject | string): Promise<ScriptedAgent> {
  const agent = await scriptedAgent(() => reply)
  agents.push(agent)
  return agent
}

/** How a call failed. */
async function failure(options: TokenOptions): Promise<AgentError> {
  const error: unknown = await getAccessToken(options).catch((reason: unknown) => reason)
  if (error instanceof AgentError) return error
  throw new Error('getAccessToken did not fail with an AgentError')
}

describe('getAccessToken', () => {
  test('getAccessToken sends the options as a request and returns the reply', async () => {
    const { path: OIDC_SOCK, requests } = await agentReplying(good)
    const env = { OIDC_SOCK }
    expect(await getAccessToken({ account: 'wlcg', env })).toEqual({
      token: 'TOKEN',
      issuer: 'https://issuer.example/',
      expiresAt: 1_800_000_000,
      scope: 'a b',
      info: 'scope differs: c was not granted',
    })
    await getAccessToken({
      issuer: 'https://issuer.example/',
      scope: ['storage.read:/', 'openid'],
      audience: 'one two',
      minValidSeconds: 60,
      strict: true,
      applicationName: 'my program',
      env,
    })
    expect(requests).toEqual([
      { request: 'access_token', account: 'wlcg', application_hint: 'oidc-agent-ts' },
      {
        request: 'access_token',
        issuer: 'https://issuer.example/',
        scope: 'storage.read:/ openid',
        audience: 'one two',
        min_valid_period: 60,
        strict: true,
        application_hint: 'my program',
      },
    ])
  })

  test('the expiry of a token is undefined if the agent does not know it', async () => {
    const { access_token, issuer, status } = good
    const { path: OIDC_SOCK } = await agentReplying({ status, access_token, issuer, expires_at: 0 })
    const got = await getAccessToken({ account: 'wlcg', env: { OIDC_SOCK } })
    expect(got.expiresAt).toBeUndefined()
    expect(got.scope).toBeUndefined()
  })

  test('getAccessToken fails with a code, a message and a hint', async () => {
    const { path: OIDC_SOCK } = await agentReplying(unknown)
    expect(await failure({ account: 'wlcg', env: { OIDC_SOCK } })).toMatchObject({
      code: 'unknown-account',
      message: unknown.error,
      hint: 'oidc-gen wlcg',
    })
    expect((await failure({ account: 'wlcg', env: {} })).code).toBe('agent-unreachable')
    expect((await failure({})).code).toBe('bad-request')
  })

  test('getAccessToken gives up when its signal is aborted and after its timeout', async () => {
    const controller = new AbortController()
    const directory = await mkdtemp(join(tmpdir(), 'oidc-library-'))
    // Receives the request, and never replies.
    const silent = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => controller.abort())
    })
    const OIDC_SOCK = join(directory, 'agent.sock')
    silent.listen(OIDC_SOCK)
    await once(silent, 'listening')
    try {
      const call = { account: 'wlcg', env: { OIDC_SOCK } }
      expect((await failure({ ...call, signal: controller.signal })).code).toBe('cancelled')
      expect(controller.signal.aborted).toBe(true)
      expect((await failure({ ...call, timeoutMs: 50 })).code).toBe('agent-timeout')
    } finally {
      silent.close()
      await rm(directory, { recursive: true })
    }
  })

  test('getAccessToken asks the remote agent if the local agent does not know the account', async () => {
    const local = await agentReplying(unknown)
    const remote = await agentReplying(good)
    const env = { OIDC_SOCK: local.path, OIDC_REMOTE_SOCK: remote.address }
    expect((await getAccessToken({ account: 'wlcg', env })).token).toBe('TOKEN')
    const refusing = await agentReplying({ status: 'failure', error: 'Agent locked' })
    const both = { OIDC_SOCK: local.path, OIDC_REMOTE_SOCK: refusing.address }
    expect((await failure({ account: 'wlcg', env: both })).code).toBe('unknown-account')
    const locked = { OIDC_SOCK: refusing.path, OIDC_REMOTE_SOCK: remote.address }
    expect((await failure({ account: 'wlcg', env: locked })).code).toBe('agent-locked')
  })
})

test('the library loads nothing but the client and modules of Node, and parses no requests', async () => {
  const root = join(import.meta.dirname, '..', '..')
  const { metafile, outputFiles } = await build({
    entryPoints: [join(root, 'protocol', 'client', 'library.ts')],
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    external: ['libsodium-wrappers-sumo'],
  })
  const inputs = Object.keys(metafile.inputs)
  expect(inputs.filter((path) => !path.startsWith('protocol/'))).toEqual([])
  const imported = Object.values(metafile.inputs).flatMap(({ imports }) => imports)
  const external = imported.filter((one) => one.external === true)
  const namesOf = (kind: string): readonly string[] =>
    [...new Set(external.flatMap((one) => (one.kind === kind ? [one.path] : [])))].sort()
  expect(namesOf('import-statement')).toEqual([
    'node:crypto',
    'node:events',
    'node:fs',
    'node:net',
    'node:path',
    'node:timers/promises',
  ])
  // Imported for a call over TCP only.
  expect(namesOf('dynamic-import')).toEqual(['libsodium-wrappers-sumo'])
  expect(outputFiles.map(({ text }) => text).join('')).not.toContain('always_allow_id')
})
