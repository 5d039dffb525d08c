import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { unlockAccountFile } from '../../protocol/storage/account-file.ts'
import { outputOf } from '../support/command.ts'
import { approveWhenShown } from '../support/oidc-gen-output.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import {
  addAccount,
  PASSWORD,
  seedAccount,
  startLoaded,
  tokenFrom,
} from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  // A second use of any refresh token revokes the grant: one mistake fails the test.
  provider = await startWlcgProvider({ rotate: true, pollSeconds: 1 })
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

async function refreshTokenInFile(): Promise<unknown> {
  const text = await readFile(join(sandbox.configDirectory, 'wlcg'), 'utf8')
  return (await unlockAccountFile(text, PASSWORD)).fields['refresh_token']
}

async function restarted(agent: SandboxAgent, signal: NodeJS.Signals): Promise<SandboxAgent> {
  await sandbox.endAgent(agent, signal)
  const next = await sandbox.startAgent()
  await addAccount(sandbox, 'wlcg')
  return next
}

test('no rotated refresh token is lost over 100 refreshes, a restart and two kills', async () => {
  const { account, agent: first } = await startLoaded(sandbox, provider)
  let agent = first
  const restartBefore = new Map<number, NodeJS.Signals>([
    [25, 'SIGTERM'],
    [50, 'SIGKILL'],
    [51, 'SIGKILL'],
  ])
  const seen = new Set<string>()
  for (let round = 0; round < 100; round += 1) {
    const signal = restartBefore.get(round)
    if (signal !== undefined) agent = await restarted(agent, signal)
    seen.add((await tokenFrom(agent, { force: true })).access_token)
  }
  expect(seen.size).toBe(100)
  expect(provider.counters.tokenRequests['refresh_token']).toBe(100 + 1 + restartBefore.size)
  const kept = await refreshTokenInFile()
  expect(kept).not.toBe(account['refresh_token'])

  // The provider accepts the refresh token in the file.
  await sandbox.endAgent(agent, 'SIGKILL')
  await sandbox.startAgent()
  await addAccount(sandbox, 'wlcg')
  expect(provider.counters.requests.at(-1)?.form['refresh_token']).toBe(kept)
  expect(outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))).toMatch(/^ey\S+\n$/)
})

test('50 concurrent audiences use 50 rotated refresh tokens, one after the other', async () => {
  const { agent } = await startLoaded(sandbox, provider)
  provider.counters.requests.length = 0
  const audiences = Array.from({ length: 50 }, (_, index) => `se${index}.example.org`)
  await Promise.all(audiences.map((audience) => tokenFrom(agent, { audience })))
  const sent = provider.counters.requests.map(({ form }) => form['refresh_token'])
  expect(new Set(sent).size).toBe(50)
  expect(sent).not.toContain(await refreshTokenInFile())
})

test('an agent that ends during a refresh saves the new refresh token', async () => {
  const { agent } = await startLoaded(sandbox, provider)
  provider.settings.latencyMs = 500
  const { length } = provider.counters.requests
  const pending = tokenFrom(agent, { force: true }).catch((error: unknown) => error)
  await expect.poll(() => provider.counters.requests.length, { interval: 5 }).toBe(length + 1)
  await sandbox.endAgent(agent)
  await pending
  provider.settings.latencyMs = 0
  await sandbox.startAgent()
  await addAccount(sandbox, 'wlcg')
})

test('two agents with different accounts do not disturb each other', async () => {
  const { agent: one } = await startLoaded(sandbox, provider)
  await seedAccount(sandbox, provider, 'other')
  const two = await sandbox.startAgent()
  await addAccount(sandbox, 'other')
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      await tokenFrom(one, { force: true })
      await tokenFrom(two, { account: 'other', force: true })
    }),
  )
  expect(await tokenFrom(one, { audience: 'a' })).toMatchObject({ status: 'success' })
  expect(await tokenFrom(two, { account: 'other', audience: 'a' })).toMatchObject({
    status: 'success',
  })
})

test('two agents with one account file refresh in parallel without losing the login', async () => {
  const { agent: one } = await startLoaded(sandbox, provider)
  const two = await sandbox.startAgent()
  await addAccount(sandbox, 'wlcg')
  provider.counters.requests.length = 0
  await Promise.all(
    [one, two].map(async (agent) => {
      for (let round = 0; round < 30; round += 1) await tokenFrom(agent, { force: true })
    }),
  )
  const sent = provider.counters.requests.map(({ form }) => form['refresh_token'])
  expect(new Set(sent).size).toBe(sent.length)
  expect(sent).not.toContain(await refreshTokenInFile())
  expect(await tokenFrom(one, { force: true })).toMatchObject({ status: 'success' })
})

/** A new login of an account, with the agent that commands find now. */
async function reauthenticate(): Promise<void> {
  const args = ['--reauthenticate', '-w', 'device', '--pw-env', 'wlcg']
  const { child, finished } = sandbox.start('oidc-gen', args, {
    env: { OIDC_ENCRYPTION_PW: PASSWORD },
  })
  let shown = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
  })
  await approveWhenShown(() => shown, provider)
  outputOf(await finished)
}

test('an account that is added to an agent again takes the new login that another agent saved', async () => {
  const { account, agent: one } = await startLoaded(sandbox, provider)
  await sandbox.startAgent()
  await reauthenticate()
  const renewed = await refreshTokenInFile()
  expect(renewed).not.toBe(account['refresh_token'])

  sandbox.env['OIDC_SOCK'] = one.socketPath
  await addAccount(sandbox, 'wlcg', ['-f'])
  expect(provider.counters.requests.at(-1)?.form['refresh_token']).toBe(renewed)
  const rotated = await refreshTokenInFile()
  expect(await tokenFrom(one, { force: true })).toMatchObject({ status: 'success' })
  expect(provider.counters.requests.at(-1)?.form['refresh_token']).toBe(rotated)
})
