import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, shown } from '../support/command.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { addAccount, seedAccount, startLoaded, tokenFrom } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox
let agent: SandboxAgent

beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  agent = (await startLoaded(sandbox, provider)).agent
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

function refreshes(): number {
  return provider.counters.tokenRequests['refresh_token'] ?? 0
}

describe('concurrent clients', () => {
  test('50 concurrent requests for the same token need one refresh', async () => {
    provider.settings.latencyMs = 200
    const before = refreshes()
    const tokens = await Promise.all(
      Array.from({ length: 50 }, () => tokenFrom(agent, { audience: 'se.example.org' })),
    )
    expect(new Set(tokens.map(({ access_token }) => access_token)).size).toBe(1)
    expect(refreshes()).toBe(before + 1)
    await tokenFrom(agent, { audience: 'se.example.org' })
    expect(refreshes()).toBe(before + 1)
  })

  test('24 concurrent requests for different audiences are refreshed at the same time', async () => {
    provider.settings.latencyMs = 200
    provider.counters.mostAtOnce = 0
    const audiences = Array.from({ length: 24 }, (_, index) => `se${index}.example.org`)
    const tokens = await Promise.all(audiences.map((audience) => tokenFrom(agent, { audience })))
    expect(tokens.map(({ access_token }) => payloadOf(access_token).aud)).toEqual(audiences)
    // All at once, but for those whose connection took longer than an answer does.
    expect(provider.counters.mostAtOnce).toBeGreaterThan(12)
  })

  test('concurrent oidc-token processes get tokens for their own audience', async () => {
    const audiences = Array.from({ length: 10 }, (_, index) => `ce${index}.example.org:9619`)
    const all = await Promise.all(
      audiences.map((audience) => sandbox.run('oidc-token', ['--aud', audience, 'wlcg'])),
    )
    expect(all.map((one) => payloadOf(outputOf(one)).aud)).toEqual(audiences)
  })

  test('a provider that does not respond delays only the requests for its own accounts', async () => {
    const dead = await startWlcgProvider()
    try {
      await seedAccount(sandbox, dead, 'dead')
      await addAccount(sandbox, 'dead')
      // It takes requests and never answers.
      dead.settings.onRequest = () => true
      const waiting = tokenFrom(agent, { account: 'dead', force: true }).catch((e: unknown) => e)
      await expect.poll(() => dead.counters.tokenRequests['refresh_token'], { interval: 5 }).toBe(2)
      const startedAt = performance.now()
      for (let round = 0; round < 20; round += 1) await tokenFrom(agent)
      expect(performance.now() - startedAt).toBeLessThan(1000)
      expect(await waiting).toMatchObject({ code: 'provider-timeout' })
    } finally {
      await dead.close()
    }
  })
})

test('oidc-token gives a suspended agent up after --timeout', async () => {
  process.kill(agent.pid, 'SIGSTOP')
  try {
    const finished = await sandbox.run('oidc-token', ['--timeout=1', 'wlcg'])
    expect(finished, shown(finished)).toMatchObject({ status: 1, stdout: '' })
    expect(finished.stderr).toBe('Error: oidc-agent did not answer within 1 s\n')
  } finally {
    process.kill(agent.pid, 'SIGCONT')
  }
  expect((await sandbox.run('oidc-token', ['--timeout=0', 'wlcg'])).status).toBe(64)
  expect((await sandbox.run('oidc-token', ['--timeout=9', 'wlcg'])).status).toBe(0)
})
