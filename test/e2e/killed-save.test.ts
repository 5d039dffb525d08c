import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../support/sandbox.ts'
import { addAccount, startLoaded, tokenFrom } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const reason = noTraceReason()

let provider: WlcgProvider
let sandbox: Sandbox
let strace: ChildProcess | undefined

beforeEach(async () => {
  // A second use of any refresh token revokes the grant.
  provider = await startWlcgProvider({ rotate: true })
  sandbox = await Sandbox.create()
  // strace counts the calls of each thread.
  sandbox.env['UV_THREADPOOL_SIZE'] = '1'
})

afterEach(async () => {
  if (strace?.exitCode === null) {
    strace.kill()
    await once(strace, 'exit')
  }
  strace = undefined
  await sandbox.close()
  await provider.close()
})

/** Kills the agent at a system call, from now on. */
async function killAt(pid: number, call: string, count: number): Promise<void> {
  const inject = `inject=${call}:signal=SIGKILL:when=${count}`
  strace = spawn('strace', ['-f', '-p', String(pid), '-e', `trace=${call}`, '-e', inject], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  strace.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await expect.poll(() => said).toMatch(/attached/)
}

test.skipIf(reason !== undefined).each([
  // The first fsync is of the space that is reserved before the refresh is sent.
  ['fsync', 2],
  ['rename', 1],
])(
  `an agent that is killed at the %s of a save loses no login${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  async (call, count) => {
    const { agent } = await startLoaded(sandbox, provider)
    const { length } = provider.counters.requests
    await killAt(agent.pid, call, count)
    await expect(tokenFrom(agent, { force: true })).rejects.toThrow()
    expect(provider.counters.requests).toHaveLength(length + 1)
    expect(
      (await readdir(sandbox.configDirectory)).filter((name) => name.endsWith('.tmp')),
    ).toHaveLength(1)

    await sandbox.endAgent(agent, 'SIGKILL')
    const next = await sandbox.startAgent()
    await addAccount(sandbox, 'wlcg')
    expect(await tokenFrom(next, { force: true })).toMatchObject({ status: 'success' })
    expect(
      (await readdir(sandbox.configDirectory)).filter((name) => name.endsWith('.tmp')),
    ).toEqual([])
  },
)

function noTraceReason(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can trace the agent, which is not dumpable'
  const probe = spawnSync('strace', ['-e', 'inject=rename:signal=SIGKILL', 'true'])
  return probe.status === 0 ? undefined : 'there is no strace that may trace'
}
