import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type DeriveKey,
  openAccountFile,
  sealAccountFile,
} from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type AgentUnderTest, inProcess } from './agents.ts'

const quickDerive: DeriveKey = (password, salt) =>
  Promise.resolve(createHash('sha512').update(password).update(salt).digest())
const config = { name: 'wlcg', issuer_url: 'https://op.example/', client_id: 'id' }
const key = { salt: Buffer.alloc(16, 3), bytes: Buffer.alloc(64, 4) }
const file_key = { salt: key.salt.toString('base64'), key: key.bytes.toString('base64') }
const forced = { request: 'access_token', account: 'wlcg', min_valid_period: -1 } as const

let agent: AgentUnderTest

beforeEach(async () => {
  agent = await inProcess({}, quickDerive)
})
afterEach(() => agent.close())

function withToken(refresh_token: string): JsonObject {
  return { ...config, refresh_token }
}

/** Writes the account file, as another agent or oidc-gen does. */
async function writeFile(refreshToken: string): Promise<void> {
  await agent.directory.write('wlcg', await sealAccountFile(withToken(refreshToken), key))
}

async function tokenInFile(): Promise<unknown> {
  return (await openAccountFile(await agent.directory.read('wlcg'), key))['refresh_token']
}

function add(refreshToken: string, more: object = {}): Promise<unknown> {
  return agent.call({ request: 'add', config: withToken(refreshToken), file_key, ...more })
}

async function endLogin(): Promise<void> {
  agent.provider.failure = new AgentError('refresh-token-dead', 'invalid_grant: over')
  await expect(agent.call(forced)).rejects.toMatchObject({ code: 'refresh-token-dead' })
  agent.provider.failure = undefined
}

async function lockAndUnlock(): Promise<void> {
  await agent.call({ request: 'lock', password: 'pw' })
  await agent.call({ request: 'unlock', password: 'pw' })
}

test.each([
  ['tested', {}],
  ['not tested', { plain_add: true }],
])('an account that is added again takes the newer login of its file, %s', async (_, more) => {
  await writeFile('rt-0')
  await add('rt-0')
  // Another agent on the same home directory has logged in again.
  await writeFile('rt-new')
  await add('rt-new', more)
  expect(await tokenInFile()).toBe('rt-new')
  await agent.call(forced)
  expect(agent.provider.refreshes.at(-1)).toBe('rt-new')
  expect(await tokenInFile()).toBe('rt-new')
})

test('an account that is added again with the token of an older file read keeps the login of its file', async () => {
  await writeFile('rt-1')
  await add('rt-1')
  await add('rt-0')
  expect(await tokenInFile()).toBe('rt-1')
  await agent.call(forced)
  expect(agent.provider.refreshes).toEqual(['rt-1', 'rt-1'])
})

test('a newer login that the provider refuses does not replace the one that works', async () => {
  await add('rt-0')
  agent.provider.valid = 'rt-0'
  await expect(add('rt-bad')).rejects.toMatchObject({ code: 'refresh-token-dead' })
  expect(await agent.call(forced)).toMatchObject({ status: 'success' })
})

test('a newer login leaves the account its lifetime, its confirmation and its permissions', async () => {
  await add('rt-0', { lifetime: 500, confirm: true, always_allow_id_token: true })
  await add('rt-new')
  await expect(agent.call(forced)).rejects.toMatchObject({ code: 'operation-forbidden' })
  const idToken = agent.call({ request: 'id_token', account: 'wlcg' })
  await expect(idToken).rejects.toMatchObject({ code: 'provider-answer' })
  await agent.call({ request: 'add', config: withToken('rt-new'), confirm: false })
  expect(await agent.call(forced)).toMatchObject({ status: 'success' })
})

test('a refresh with an old login does not write over a newer login in the account file', async () => {
  await writeFile('rt-0')
  await add('rt-0')
  await writeFile('rt-new')
  agent.provider.rotates = true
  await agent.call(forced)
  expect(await tokenInFile()).toBe('rt-new')
  agent.provider.rotates = false
  agent.provider.valid = undefined
  await agent.call(forced)
  expect(agent.provider.refreshes.at(-1)).toBe('rt-new')
})

test('a login that rotated before oidc-gen saved it is not lost when oidc-gen writes the first token', async () => {
  await writeFile('rt-old')
  agent.provider.rotates = true
  const flow = ['refresh']
  const login = await agent.call({ request: 'gen', config: withToken('rt-0'), flow })
  const first = 'config' in login ? login.config['refresh_token'] : undefined
  if (typeof first !== 'string') throw new Error('the login brought no refresh token')
  await agent.call(forced)
  const rotated = agent.provider.valid
  expect(rotated).not.toBe(first)
  await writeFile(first)
  await add(first, { plain_add: true })
  expect(await tokenInFile()).toBe(rotated)
  await agent.call(forced)
})

test('two requests that load one account at once do not use its rotating refresh token twice', async () => {
  await writeFile('rt-0')
  agent.provider.rotates = true
  await Promise.all([add('rt-0'), add('rt-0')])
  expect(agent.provider.refreshes).toEqual(['rt-0'])
  expect(await tokenInFile()).toBe(agent.provider.valid)
})

test('deleting an account revokes the newest refresh token', async () => {
  const remove = (refreshToken: string): Promise<unknown> =>
    agent.call({ request: 'delete', config: withToken(refreshToken) })
  agent.provider.rotates = true
  await add('rt-0')
  const rotated = agent.provider.valid
  await remove('rt-0')
  expect(agent.provider.revoked).toEqual([rotated])
  agent.provider.rotates = false
  await add(rotated ?? '')
  // Another agent has logged in again, and its file was read by oidc-gen -d.
  await remove('rt-new')
  expect(agent.provider.revoked).toEqual([rotated, 'rt-new'])
})

test('an unlocked agent remembers that a login has ended', async () => {
  await add('rt-0')
  await endLogin()
  await lockAndUnlock()
  const { info } = await agent.call({ request: 'status_json' })
  expect(info.accounts).toMatchObject([{ name: 'wlcg', login_expired: true }])
})

test('a new login replaces one that ended before the agent was locked', async () => {
  await add('rt-0')
  await endLogin()
  await lockAndUnlock()
  agent.provider.valid = 'rt-new'
  expect(await add('rt-new')).toEqual({ status: 'success' })
  expect(await agent.call(forced)).toMatchObject({ status: 'success' })
  const { info } = await agent.call({ request: 'status_json' })
  expect(info.accounts).toMatchObject([{ name: 'wlcg', login_expired: false }])
})

test('a token that rotated while it could not be saved outlives a lock', async () => {
  await writeFile('rt-0')
  await agent.call({ request: 'add', config: withToken('rt-0') })
  agent.provider.rotates = true
  await agent.call(forced)
  await lockAndUnlock()
  await add('rt-0')
  expect(await tokenInFile()).toBe(agent.provider.valid)
})

test.each([{ request: 'remove', account: 'wlcg' }, { request: 'remove_all' }] as const)(
  'a refresh token that could not be saved is saved when its account is unloaded: $request',
  async (request) => {
    await writeFile('rt-0')
    const before = await agent.directory.read('wlcg')
    // Too short to be given out again while the file is missing.
    agent.provider.lifetime = 5
    await add('rt-0', { plain_add: true })
    await agent.directory.remove('wlcg')
    agent.provider.rotates = true
    await agent.call(forced)
    await agent.directory.write('wlcg', before)
    await agent.call<'remove' | 'remove_all'>(request)
    expect(await tokenInFile()).toBe(agent.provider.valid)
  },
)
