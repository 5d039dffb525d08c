import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deriveKey } from '../protocol/storage/account-file.ts'
import { defaultAgentOptions } from '../protocol/wire/agent-options.ts'
import type { JsonObject, Reply, RequestOf, RequestType } from '../protocol/wire/messages.ts'
import { unsignedToken } from '../test/support/access-token.ts'
import { ScriptedProvider } from '../test/support/scripted-provider.ts'
import { type AgentContext, createAgent } from './context.ts'
import { dispatch } from './dispatch.ts'
import { silentLog } from './log.ts'
import type { Access, Role } from './peers.ts'
import type { Share } from './restricted-sockets.ts'
import { shutDown } from './shutdown.ts'

const config: JsonObject = {
  name: 'acc',
  issuer_url: 'https://op.example/',
  client_id: 'id',
  refresh_token: 'rt-0',
}

/** A request of each type. A type that is missing here does not compile. */
const samples: { readonly [T in RequestType]: RequestOf<T> } = {
  access_token: { request: 'access_token', account: 'acc', issuer: undefined },
  id_token: { request: 'id_token', account: 'acc', issuer: undefined },
  loaded_accounts: { request: 'loaded_accounts' },
  account_info: { request: 'account_info' },
  check: { request: 'check' },
  status: { request: 'status' },
  status_json: { request: 'status_json' },
  add: { request: 'add', config },
  gen: { request: 'gen', config, flow: ['refresh'] },
  device: { request: 'device', oidc_device: { device_code: 'x' } },
  code_exchange: { request: 'code_exchange', redirect_uri: 'x:/redirect?code=c&state=s' },
  state_lookup: { request: 'state_lookup', state: 's' },
  term_http_server: { request: 'term_http_server', state: 's' },
  register: { request: 'register', config, flow: ['device'] },
  scopes: { request: 'scopes', issuer: 'https://op.example/', config_endpoint: undefined },
  remove: { request: 'remove', account: 'acc' },
  remove_all: { request: 'remove_all' },
  lock: { request: 'lock', password: 'p' },
  unlock: { request: 'unlock', password: 'p' },
  delete: { request: 'delete', config },
  delete_client: { request: 'delete_client' },
  file_write: { request: 'file_write', filename: 'f', data: 'd' },
  file_read: { request: 'file_read', filename: 'f' },
  file_remove: { request: 'file_remove', filename: 'f' },
  token_file: { request: 'token_file', account: 'acc', issuer: undefined, path: '/nowhere/token' },
  token_file_stop: { request: 'token_file_stop', path: '/nowhere/token' },
  jwks: { request: 'jwks', issuer: 'https://op.example/' },
  share: { request: 'share', path: '/nowhere/s', allow: ['acc&scopes=a'] },
  unshare: { request: 'unshare', path: '/nowhere/s' },
}

const OWNER = ['owner'] as const
const GROUP = ['owner', 'group'] as const
const ALL = ['owner', 'group', 'shared'] as const

/** The roles that may ask each request. */
const allowed: Readonly<Record<RequestType, readonly Role[]>> = {
  access_token: ALL,
  id_token: OWNER,
  loaded_accounts: ALL,
  account_info: OWNER,
  check: ALL,
  status: GROUP,
  status_json: GROUP,
  add: OWNER,
  gen: OWNER,
  device: OWNER,
  code_exchange: OWNER,
  state_lookup: OWNER,
  term_http_server: OWNER,
  register: OWNER,
  scopes: OWNER,
  remove: OWNER,
  remove_all: OWNER,
  lock: OWNER,
  unlock: OWNER,
  delete: OWNER,
  delete_client: OWNER,
  file_write: OWNER,
  file_read: OWNER,
  file_remove: OWNER,
  token_file: OWNER,
  token_file_stop: OWNER,
  jwks: OWNER,
  share: OWNER,
  unshare: OWNER,
}

const share: Share = {
  ceilings: [{ account: 'acc', scopes: ['a'], audiences: [] }],
  countForced: () => undefined,
}

const peers: Readonly<Record<Role, Access>> = {
  owner: { role: 'owner' },
  group: { role: 'group' },
  shared: { role: 'shared', share },
}

const cells = Object.values(samples).flatMap((request) =>
  Object.values(peers).map((access) => {
    const isAllowed = allowed[request.request].includes(access.role)
    const title = `${access.role} ${isAllowed ? 'may' : 'may not'} ask ${request.request}`
    return [title, { request, access, isAllowed }] as const
  }),
)

let home: string
let agent: AgentContext
let provider: ScriptedProvider

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'dispatch-'))
  provider = new ScriptedProvider()
  provider.accessToken = unsignedToken({ scope: 'a' })
  agent = createAgent({
    options: { ...defaultAgentOptions, alwaysAllowIdToken: true },
    runtime: { now: Date.now, random: () => 0.5 },
    log: silentLog,
    provider,
    derive: deriveKey,
    configDirectory: () => Promise.resolve(home),
    env: {},
  })
  const added = await dispatch(samples.add, peers.owner, agent, new AbortController().signal)
  expect(added.status).toBe('success')
})

afterEach(async () => {
  await shutDown(agent)
  rmSync(home, { recursive: true })
})

function isForbidden(reply: Reply): boolean {
  return reply.status === 'failure' && reply.code === 'operation-forbidden'
}

test.each(cells)('the role %s', async (_, { request, access, isAllowed }) => {
  const reply = await dispatch(request, access, agent, new AbortController().signal)
  expect(isForbidden(reply)).toBe(!isAllowed)
  if (!isAllowed) expect(reply).toMatchObject({ error: 'operation forbidden' })
})

test('a refused request changes nothing', async () => {
  const { signal } = new AbortController()
  for (const request of [samples.remove_all, samples.lock, samples.file_write]) {
    await dispatch(request, peers.group, agent, signal)
    await dispatch(request, peers.shared, agent, signal)
  }
  expect(agent.keyring.names()).toEqual(['acc'])
  expect(agent.lock.isLocked).toBe(false)
  expect(await dispatch(samples.file_read, peers.owner, agent, signal)).toMatchObject({
    error: 'File not found',
  })
})
