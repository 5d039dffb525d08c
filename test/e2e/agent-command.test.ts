import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { outputOf } from '../support/command.ts'
import { endProcess, isRunning, processEnd, until } from '../support/process-table.ts'
import { Sandbox } from '../support/sandbox.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
})

async function socketDirectories(): Promise<string[]> {
  return readdir(sandbox.env['TMPDIR'] ?? '')
}

/** Starts `oidc-agent sh -c …`, whose command says its own pid and the agent's, and then stays. */
async function startStaying(): Promise<{
  launcher: number
  agent: number
  command: number
  finished: Promise<{ status: number | null }>
}> {
  const script = 'echo "$$ $OIDCD_PID"; exec sleep 1000'
  const { child, finished } = sandbox.start('oidc-agent', ['sh', '-c', script])
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await until('the command to start', () => said.includes('\n'))
  const [command = 0, agent = 0] = said.trim().split(' ').map(Number)
  expect(isRunning(agent)).toBe(true)
  return { launcher: child.pid ?? 0, agent, command, finished }
}

describe('oidc-agent COMMAND', () => {
  test('oidc-agent COMMAND gives the command an agent, input and outputs, ends with its status, and ends the agent', async () => {
    const finished = await sandbox.run(
      'oidc-agent',
      [
        ...['sh', '-c'],
        'oidc-add -a >&2; cat; echo "agent $OIDCD_PID $1"; exit 7',
        ...['name', '-k'],
      ],
      { input: 'standard input\n' },
    )
    expect(finished).toMatchObject({ status: 7, signal: null })
    expect(finished.stdout).toMatch(/^standard input\nagent \d+ -k\n$/)
    expect(finished.stderr).not.toContain('Error')
    await processEnd(Number(/agent (\d+)/.exec(finished.stdout)?.[1]))
    expect(await socketDirectories()).toEqual([])
  })

  test('oidc-agent takes options before "--" and the command', async () => {
    const socket = `${sandbox.home}/my.sock`
    const args = ['-a', socket, '--', 'sh', '-c', 'echo $OIDC_SOCK']
    expect(outputOf(await sandbox.run('oidc-agent', args))).toBe(`${socket}\n`)
  })

  test('oidc-agent COMMAND ends by the signal that ended its command, or with 128 and its number as a shell does', async () => {
    const ended = (signal: string) => sandbox.run('oidc-agent', ['sh', '-c', `kill -${signal} $$`])
    expect(await ended('TERM')).toMatchObject({ status: null, signal: 'SIGTERM' })
    expect(await ended('KILL')).toMatchObject({ status: 128 + 9, signal: null })
  })

  test('oidc-agent with a missing command fails as a shell does, and leaves no agent', async () => {
    const { status, stderr } = await sandbox.run('oidc-agent', ['no-such-command'])
    expect(status).not.toBe(0)
    expect(stderr).toContain('no-such-command')
    expect(await socketDirectories()).toEqual([])
  })

  test('SIGTERM to oidc-agent COMMAND ends the command and the agent', async () => {
    const { launcher, agent, command, finished } = await startStaying()
    process.kill(launcher, 'SIGTERM')
    await Promise.all([processEnd(command), processEnd(agent)])
    expect((await finished).status).not.toBe(0)
    expect(await socketDirectories()).toEqual([])
  })

  test('SIGKILL of oidc-agent COMMAND ends the agent', async () => {
    const { launcher, agent, command } = await startStaying()
    process.kill(launcher, 'SIGKILL')
    await processEnd(agent)
    expect(await socketDirectories()).toEqual([])
    await endProcess(command, 'SIGKILL')
  })
})
