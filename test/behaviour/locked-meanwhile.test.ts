import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DeriveKey } from '../../protocol/storage/account-file.ts'
import { freePort } from '../support/free-port.ts'
import { type AgentUnderTest, inProcess } from './agents.ts'

const quickDerive: DeriveKey = (password, salt) =>
  Promise.resolve(createHash('sha512').update(password).update(salt).digest())
const config = { name: 'wlcg', issuer_url: 'https://op.example/', client_id: 'id' }

let agent: AgentUnderTest

beforeEach(async () => {
  agent = await inProcess({}, quickDerive)
})
afterEach(() => agent.close())

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}

async function lockAndThen(goOn: () => void): Promise<void> {
  await agent.call({ request: 'lock', password: 'pw' })
  goOn()
}

async function loadedAfterUnlock(): Promise<readonly string[]> {
  await agent.call({ request: 'unlock', password: 'pw' })
  return (await agent.call({ request: 'loaded_accounts' })).info
}

test('an account that was being loaded when the agent was locked is not loaded', async () => {
  const { provider } = agent
  const discover = provider.discover.bind(provider)
  const asked = gate()
  const answered = gate()
  provider.discover = async (of) => {
    asked.open()
    await answered.opened
    return discover(of)
  }
  const loading = agent.call({ request: 'add', config, plain_add: true })
  const outcome = expect(loading).rejects.toMatchObject({ code: 'agent-locked' })
  await asked.opened
  await lockAndThen(answered.open)
  await outcome
  expect(await loadedAfterUnlock()).toEqual([])
})

test('a token request that waited when the agent was locked gets no token, and spends no refresh token', async () => {
  const { provider } = agent
  await agent.call({
    request: 'add',
    config: { ...config, refresh_token: 'rt-0', auth_scope: 'a' },
  })
  const before = provider.refreshes.length
  const discover = provider.discover.bind(provider)
  const asked = gate()
  const answered = gate()
  provider.discover = async (config) => {
    asked.open()
    await answered.opened
    return { ...(await discover(config)), allowsScopeUpgrade: true }
  }
  const request = { request: 'access_token', account: 'wlcg', scope: 'b' } as const
  const outcome = expect(agent.call(request)).rejects.toMatchObject({ code: 'account-not-loaded' })
  await asked.opened
  await lockAndThen(answered.open)
  await outcome
  expect(provider.refreshes).toHaveLength(before)
})

test('a login that was under way when the agent was locked is returned to be saved, but not loaded', async () => {
  const release = agent.provider.hold()
  const person = { ...config, username: 'anna', password: 'secret' }
  const login = agent.call({ request: 'gen', config: person, flow: ['password'] })
  while (agent.provider.grants.length === 0) await nextTurn()
  await lockAndThen(release)
  expect(await login).toMatchObject({ config: { refresh_token: 'rt of a password' } })
  expect(await loadedAfterUnlock()).toEqual([])
})

test('a login by browser that ended while the agent was locked is fetched by oidc-gen once it is unlocked', async () => {
  const uri = `http://localhost:${await freePort()}/`
  const person = { ...config, redirect_uris: [uri] }
  const started = await agent.call({ request: 'gen', config: person, flow: ['code'] })
  if (!('uri' in started)) throw new Error('no login by browser')
  const { state } = started
  const release = agent.provider.hold()
  const page = fetch(`${uri}?${new URLSearchParams({ code: 'c', state }).toString()}`)
  await expect.poll(() => agent.provider.exchanges.length).toBe(1)
  await lockAndThen(release)
  expect((await page).status).toBe(200)
  const lookUp = { request: 'state_lookup', state } as const
  await expect(agent.call(lookUp)).rejects.toMatchObject({
    code: 'agent-locked',
    hint: expect.stringContaining('oidc-add -X') as string,
  })
  expect(await loadedAfterUnlock()).toEqual([])
  expect(await agent.call(lookUp)).toMatchObject({ config: { refresh_token: 'rt of a code' } })
})
