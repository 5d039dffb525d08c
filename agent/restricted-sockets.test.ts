import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { callAgent } from '../protocol/client/call.ts'
import { deriveKey } from '../protocol/storage/account-file.ts'
import { defaultAgentOptions } from '../protocol/wire/agent-options.ts'
import { parseCeiling } from '../protocol/wire/ceiling.ts'
import { AgentError, errorOfReply } from '../protocol/wire/errors.ts'
import type { Replies, Request, RequestOf, RequestType } from '../protocol/wire/messages.ts'
import { unsignedToken } from '../test/support/access-token.ts'
import { ScriptedProvider } from '../test/support/scripted-provider.ts'
import { type AgentContext, createAgent } from './context.ts'
import { dispatch } from './dispatch.ts'
import { silentLog } from './log.ts'
import { ConnectionTable, startServer } from './server.ts'
import { shutDown } from './shutdown.ts'

/** Agents whose restricted sockets are real; the owner's requests go to dispatch. */
let home: string
let path: string
let provider: ScriptedProvider
let agent: AgentContext
let now: number

const { signal } = new AbortController()
const LIMIT = 'acc&scopes=a,b&audience=x'

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'restricted-'))
  path = join(home, 'dir', 's')
  provider = new ScriptedProvider()
  now = Date.now()
  const connections = new ConnectionTable(512, () => new AgentError('agent-busy', 'full'))
  agent = createAgent({
    options: defaultAgentOptions,
    runtime: { now: () => now, random: () => 0.5 },
    log: silentLog,
    provider,
    derive: deriveKey,
    configDirectory: () => Promise.resolve(home),
    env: {},
    listenShared: (at, share, context) =>
      startServer(at, {
        openChannel: () => Promise.reject(new Error('not sealed')),
        answer: (request, peer, gone) => dispatch(request, peer, context, gone),
        requestTimeoutMs: 10_000,
        peerOf: () => ({ role: 'shared', share, pid: 0 }),
        connections,
        log: silentLog,
      }),
  })
  for (const name of ['acc', 'private']) {
    const config = { name, issuer_url: 'https://op.example/', client_id: name, refresh_token: name }
    await owner({ request: 'add', config })
  }
  provider.accessToken = unsignedToken({ scope: 'a b', aud: 'x' })
})

afterEach(async () => {
  await shutDown(agent)
  rmSync(home, { recursive: true, force: true })
})

async function owner(request: Request): Promise<unknown> {
  const reply = await dispatch(request, { role: 'owner' }, agent, signal)
  if (reply.status === 'failure') throw errorOfReply(reply)
  return reply
}

function share(...allow: string[]): Promise<unknown> {
  return owner({ request: 'share', path, allow })
}

function ask<T extends RequestType>(
  request: RequestOf<T> & { readonly request: T },
): Promise<Replies[T]> {
  return callAgent({ kind: 'unix', path }, request)
}

function token(fields: {
  readonly account?: string
  readonly issuer?: string
  readonly scope?: string
  readonly audience?: string
  readonly min_valid_period?: number
}): Promise<Replies['access_token']> {
  return ask({ request: 'access_token', issuer: undefined, ...fields })
}

test('a request without scope and audience asks the provider for exactly the ceiling', async () => {
  await share(LIMIT)
  const reply = await token({ account: 'acc' })
  expect(reply).toMatchObject({ access_token: provider.accessToken, scope: 'a b' })
  expect(await ask({ request: 'loaded_accounts' })).toMatchObject({ info: ['acc'] })
  expect(await ask({ request: 'check' })).toMatchObject({ status: 'success' })
})

test('the account may be given by its issuer', async () => {
  await share(LIMIT)
  await expect(token({ issuer: 'https://op.example/' })).resolves.toMatchObject({
    access_token: provider.accessToken,
  })
  await expect(token({ issuer: 'https://other.example/' })).rejects.toThrow('operation forbidden')
})

test('the error for an account that is not shared is the same whether it exists or not', async () => {
  await share(LIMIT)
  const errors = []
  for (const account of ['private', 'nowhere']) {
    errors.push(await token({ account }).catch((error: unknown) => error))
  }
  expect(errors[0]).toEqual(errors[1])
  expect(errors[0]).toMatchObject({
    code: 'operation-forbidden',
    hint: 'This restricted socket shares only: acc',
  })
  await owner({ request: 'remove', account: 'acc' })
  await expect(token({ account: 'acc' })).rejects.toMatchObject({ code: 'account-not-loaded' })
})

test('a token that is wider than the ceiling is not given out, nor an opaque one', async () => {
  await share(LIMIT)
  const wider = [
    unsignedToken({ scope: 'a b c', aud: 'x' }),
    unsignedToken({ scope: 'a b', aud: ['x', 'y'] }),
    'opaque',
  ]
  for (const accessToken of wider) {
    provider.accessToken = accessToken
    const asked = token({ account: 'acc', scope: 'a', min_valid_period: -1 })
    await expect(asked).rejects.toMatchObject({ code: 'operation-forbidden' })
  }
  // It stays in the cache, and is checked there too.
  await expect(token({ account: 'acc', scope: 'a' })).rejects.toThrow('operation forbidden')
})

test('a locked agent refuses', async () => {
  await share(LIMIT)
  await owner({ request: 'lock', password: 'p' })
  await expect(token({ account: 'acc' })).rejects.toMatchObject({ code: 'agent-locked' })
  await expect(ask({ request: 'loaded_accounts' })).rejects.toMatchObject({ code: 'agent-locked' })
})

test('five forced refreshes are possible at once, and then one in ten seconds', async () => {
  await share(LIMIT)
  const force = (): Promise<unknown> => token({ account: 'acc', min_valid_period: -1 })
  for (let count = 0; count < 5; count += 1) await force()
  const before = provider.refreshes.length
  await expect(force()).rejects.toMatchObject({
    code: 'rate-limited',
    message:
      'too many forced refreshes on this restricted socket: the next one is possible in 10 s',
  })
  now += 4_000
  await expect(force()).rejects.toThrow('the next one is possible in 6 s')
  expect(provider.refreshes).toHaveLength(before)
  await token({ account: 'acc' })
  now += 6_000
  await force()
  await expect(force()).rejects.toThrow('the next one is possible in 10 s')
  // The limit is that of the socket: the owner has none.
  await owner({
    request: 'access_token',
    account: 'acc',
    issuer: undefined,
    min_valid_period: -1,
  })
})

test('the socket has mode 0600 in a directory of mode 0700, and goes with its end', async () => {
  await share(LIMIT)
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
  expect(agent.restrictedSockets.list()).toEqual([{ path, allow: [LIMIT], expires_at: null }])
  await owner({ request: 'unshare', path })
  expect(existsSync(dirname(path))).toBe(false)
  expect(agent.restrictedSockets.list()).toEqual([])
  await expect(owner({ request: 'unshare', path })).rejects.toThrow(
    `the agent has no restricted socket ${path}`,
  )
})

test('unshare ends the connections of the socket with a reason', async () => {
  await share(LIMIT)
  const release = provider.hold()
  const waiting = token({ account: 'acc', min_valid_period: -1 })
  const ended = expect(waiting).rejects.toThrow('the restricted socket is no longer shared')
  while (provider.refreshes.at(-1) !== 'acc') await ask({ request: 'check' })
  await owner({ request: 'unshare', path })
  await ended
  release()
})

test('a socket is closed at the end of its time', async () => {
  await owner({ request: 'share', path, allow: [LIMIT], share_for: 1 })
  const [state] = agent.restrictedSockets.list()
  expect(state?.expires_at).toBe(Math.round((now + 1000) / 1000))
  now += 1000
  while (agent.restrictedSockets.list().length > 0 || existsSync(path)) {
    await new Promise((resolve) => setImmediate(resolve))
  }
})

test('all sockets are closed when the agent ends, and no other is opened', async () => {
  await share(LIMIT)
  await agent.restrictedSockets.closeAll()
  expect(existsSync(path)).toBe(false)
  await expect(share(LIMIT)).rejects.toThrow('the agent is shutting down')
})

test('a path that is in use or that others can change is refused, and one path is opened once', async () => {
  const results = await Promise.allSettled([share(LIMIT), share(LIMIT)])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  await expect(share(LIMIT)).rejects.toMatchObject({
    code: 'file-unwritable',
    message: `an agent is already running on ${path}`,
    hint: 'Choose another path for the restricted socket, in a directory that only you can write to.',
  })
})

test('a share without or with a malformed limit is refused', async () => {
  await expect(share()).rejects.toMatchObject({ code: 'bad-request' })
  await expect(share('acc')).rejects.toThrow('scopes must be given')
  expect(existsSync(path)).toBe(false)
})

test('status and status_json list the sockets', async () => {
  expect(JSON.stringify(await owner({ request: 'status_json' }))).not.toContain('shares')
  await owner({ request: 'share', path, allow: [LIMIT, 'private&scopes=*'], share_for: 60 })
  const end = Math.round((now + 60_000) / 1000)
  expect(await owner({ request: 'status_json' })).toMatchObject({
    info: { shares: [{ path, allow: [LIMIT, 'private&scopes=*'], expires_at: end }] },
  })
  const until = new Date(end * 1000).toISOString()
  expect(await owner({ request: 'status' })).toMatchObject({
    info: expect.stringContaining(
      `Restricted sockets:\n${path} until ${until}\n\t${LIMIT}\n\tprivate&scopes=*\n`,
    ) as string,
  })
})

test('no more than 64 sockets are opened', async () => {
  const limits = [parseCeiling(LIMIT)]
  for (let count = 0; count < 64; count += 1) {
    await agent.restrictedSockets.open(join(home, String(count)), limits, 0)
  }
  await expect(share(LIMIT)).rejects.toThrow('there are 64 restricted sockets already')
})
