import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, type TestContext, test } from 'vitest'
import { outputOf } from '../support/command.ts'
import { exchange } from '../support/raw-client.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { PASSWORD, seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const TOKEN = '{"request":"access_token","account":"wlcg"}'
const NEW_TOKEN = '{"request":"access_token","account":"wlcg","min_valid_period":-1}'
const compiler = spawnSync('gcc', ['--version']).status === 0

interface Stage {
  readonly sandbox: Sandbox
  readonly provider: WlcgProvider
  readonly agent: SandboxAgent
  /** From now on the mount does not answer. */
  readonly die: () => Promise<void>
}

/** An agent with the account `wlcg` and a token, and a mount at `below` in its sandbox, the home by default. */
async function stage({ onTestFinished }: TestContext, below = ''): Promise<Stage> {
  const provider = await startWlcgProvider({ rotate: true })
  onTestFinished(() => provider.close())
  const sandbox = await Sandbox.create()
  onTestFinished(() => sandbox.close())
  const mount = join(sandbox.home, below)
  await mkdir(mount, { recursive: true })
  const library = join(sandbox.directory, 'dead-mount.so')
  const source = join(import.meta.dirname, '..', 'support', 'dead-mount.c')
  outputOf(await sandbox.run('gcc', ['-shared', '-fPIC', '-o', library, source, '-ldl']))
  const marker = join(sandbox.directory, 'dead')
  const env = { LD_PRELOAD: library, DEAD_BELOW: mount, DEAD_WHEN: marker }
  const agent = await sandbox.startAgent([], { env })
  await seedAccount(sandbox, provider, 'wlcg')
  const password = { OIDC_ENCRYPTION_PW: PASSWORD }
  outputOf(await sandbox.run('oidc-add', ['--pw-env', 'wlcg'], { env: password }))
  expect(await exchange(agent.socketPath, TOKEN)).toContain('"success"')
  return { sandbox, provider, agent, die: () => writeFile(marker, '') }
}

/** Ends the agent by SIGTERM, in at most two seconds and the time that the test itself takes. */
async function endsInTime({ sandbox, agent }: Stage): Promise<void> {
  const startedAt = performance.now()
  await sandbox.endAgent(agent)
  expect(performance.now() - startedAt).toBeLessThan(3000)
}

describe.skipIf(!compiler)('a dead mount, for which a C compiler is needed,', () => {
  test.concurrent('eight clients that name files on it are told so, delay nobody else, and do not keep the agent from ending', async (context) => {
    const staged = await stage(context, 'mount')
    const { sandbox, agent, die } = staged
    await die()
    const asked = Array.from({ length: 8 }, (_, index) => {
      const cert_path = join(sandbox.home, 'mount', `${index}.pem`)
      const request = { request: 'scopes', issuer: 'https://localhost:1/', cert_path }
      return exchange(agent.socketPath, JSON.stringify(request))
    })
    for (let round = 0; round < 4; round += 1) {
      expect(await exchange(agent.socketPath, NEW_TOKEN)).toContain('"success"')
    }
    for (const reply of await Promise.all(asked)) {
      expect(reply).toContain('cannot be used: the file system does not answer (waited 5 s)')
    }
    await endsInTime(staged)
  })

  test.concurrent('which is the home delays no cached token, spends no refresh token, and does not keep the agent from ending', async (context) => {
    const staged = await stage(context)
    const { provider, agent, die } = staged
    await die()
    const sent = provider.counters.tokenRequests['refresh_token']
    const refused = exchange(agent.socketPath, NEW_TOKEN)
    expect(await exchange(agent.socketPath, TOKEN)).toContain('"success"')
    expect(await refused).toContain('the file system does not answer')
    expect(await exchange(agent.socketPath, TOKEN)).toContain('"success"')
    expect(provider.counters.tokenRequests['refresh_token']).toBe(sent)
    void exchange(agent.socketPath, NEW_TOKEN).catch(() => undefined)
    await endsInTime(staged)
  })
})
