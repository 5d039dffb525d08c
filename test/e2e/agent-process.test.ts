import { readFileSync } from 'node:fs'
import { lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { outputOf, startCommand } from '../support/command.ts'
import { endProcess, isRunning, processEnd, until } from '../support/process-table.ts'
import { exchange } from '../support/raw-client.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
})

async function isAnswering({ socketPath }: SandboxAgent): Promise<boolean> {
  return (await exchange(socketPath, '{"request":"check"}')) === '{"status":"success"}'
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** The pids of a process's children, proc_pid_children(5). */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number)
}

describe('start of oidc-agent', () => {
  test('the output of oidc-agent can be evaluated by sh, and the agent accepts connections at once', async () => {
    const { stdout } = await sandbox.sh(
      'eval "$(oidc-agent)"; oidc-add -a; echo "$OIDC_SOCK $OIDCD_PID"; env | grep -c ^OIDC; oidc-agent -k',
    )
    expect(stdout).toMatch(/^Agent pid (\d+)\n(.*\n)?\/.*\/oidc-agent\.\d+ \1\n2\n/)
  })

  test('oidc-agent prints the lines of the C agent: plain, --quiet and --json', async () => {
    const plain = outputOf(await sandbox.run('oidc-agent'))
    expect(plain).toMatch(
      /^OIDC_SOCK=\/\S+\/oidc-[A-Za-z0-9]{6}\/oidc-agent\.\d+; export OIDC_SOCK;\nOIDCD_PID=\d+; export OIDCD_PID;\necho Agent pid \$OIDCD_PID\n$/,
    )
    const first = sandbox.adopt(plain)
    const quiet = outputOf(await sandbox.run('oidc-agent', ['--quiet']))
    expect(quiet).toMatch(/^OIDC_SOCK=.*\nOIDCD_PID=.*; export OIDCD_PID;\n$/)
    sandbox.adopt(quiet)
    const json = outputOf(await sandbox.run('oidc-agent', ['--json']))
    expect(json).toMatch(/^\{\n\t"socket":\t"\/[^"]+",\n\t"dpid":\t"\d+"\n\}$/)
    const { dpid } = JSON.parse(json) as { dpid: string }
    await endProcess(Number(dpid))
    expect(await isAnswering(first)).toBe(true)
  })

  test('the socket is for its owner only, and the agent removes it with directory and pid file at its end', async () => {
    const agent = await sandbox.startAgent(['--pid-file', join(sandbox.home, 'pid')])
    expect((await stat(agent.socketPath)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(agent.socketPath))).mode & 0o777).toBe(0o700)
    expect(await readFile(join(sandbox.home, 'pid'), 'utf8')).toBe(`${agent.pid}\n`)
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const one = await sandbox.startAgent()
      await sandbox.endAgent(one, signal)
      expect(await exists(dirname(one.socketPath))).toBe(false)
    }
    await sandbox.endAgent(agent)
    expect(await exists(join(sandbox.home, 'pid'))).toBe(false)
    expect(await readdir(sandbox.env['TMPDIR'] ?? '')).toEqual([])
  })

  test('oidc-agent names a pid file that cannot be written, and leaves no agent', async () => {
    const { status, stderr } = await sandbox.run('oidc-agent', ['--pid-file=/nowhere/pid'])
    expect(stderr).toBe('Error: cannot write /nowhere/pid: no such file or directory\n')
    expect(status).toBe(1)
    expect(await readdir(sandbox.env['TMPDIR'] ?? '')).toEqual([])
  })

  test.each([
    ['a path', 'one/two/my.sock', /\/one\/two\/my\.sock$/],
    ['a directory', 'one/', /\/one\/oidc-agent\.\d+$/],
    ['a random directory', 'one/oidc-XXXXXX/my.sock', /\/one\/oidc-(?!XXXXXX)\w{6}\/my\.sock$/],
  ])('oidc-agent -a accepts %s', async (_, wish, expected) => {
    for (const option of ['-a', '--socket-path', '--bind-address', '--bind_address']) {
      const agent = await sandbox.startAgent([option, `${sandbox.home}/${wish}`])
      expect(agent.socketPath).toMatch(expected)
      expect((await stat(dirname(agent.socketPath))).mode & 0o777).toBe(0o700)
      expect(await isAnswering(agent)).toBe(true)
      await sandbox.endAgent(agent)
      expect(await exists(agent.socketPath)).toBe(false)
    }
  })

  test('oidc-agent -a replaces a stale socket, and refuses a live one and other files', async () => {
    const path = join(sandbox.home, 'my.sock')
    const killed = await sandbox.startAgent(['-a', path])
    await sandbox.endAgent(killed, 'SIGKILL')
    expect((await stat(path)).isSocket()).toBe(true)

    const agent = await sandbox.startAgent(['-a', path])
    const second = await sandbox.run('oidc-agent', ['-a', path])
    expect(second).toMatchObject({ status: 1, stdout: '' })
    expect(second.stderr).toContain(`an agent is already running on ${path}`)
    expect(await isAnswering(agent)).toBe(true)

    const file = await sandbox.file('home/precious', 'not a socket')
    const third = await sandbox.run('oidc-agent', ['-a', file])
    expect(third).toMatchObject({ status: 1, stdout: '' })
    expect(await readFile(file, 'utf8')).toBe('not a socket')
  })

  test('oidc-agent -a refuses a directory that other users can write to', async () => {
    const open = join(sandbox.directory, 'open')
    await mkdir(open, { mode: 0o777 })
    outputOf(await sandbox.run('chmod', ['777', open]))
    const refused = await sandbox.run('oidc-agent', ['-a', join(open, 'my.sock')])
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toContain(`socket path location is not trustworthy: ${open}`)
  })

  test('oidc-agent --with-group refuses an unknown group, and leaves no directory', async () => {
    const refused = await sandbox.run('oidc-agent', ['--with-group=no-such-group'])
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toContain('Group does not exist: no-such-group')
    expect(await readdir(sandbox.env['TMPDIR'] ?? '')).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')(
    'an agent ends if its launcher is killed before it has announced the agent',
    async () => {
      const path = join(sandbox.home, 'my.sock')
      const { child, finished } = sandbox.start('oidc-agent', ['-a', path])
      // The daemon is bound to its socket just before it reports.
      await until('the launcher to start its daemon', () => childrenOf(child.pid ?? 0).length > 0)
      const [daemon = 0] = childrenOf(child.pid ?? 0)
      process.kill(child.pid ?? 0, 'SIGKILL')
      await finished
      await processEnd(daemon)
      expect(await exists(path)).toBe(false)
    },
  )

  test('oidc-agent -d runs in the foreground until SIGINT', async () => {
    const log = join(sandbox.directory, 'log')
    const { child, finished } = sandbox.start('sh', ['-c', `exec oidc-agent -d -g 2>'${log}'`])
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    await until('the agent to announce itself', () => output.includes('OIDCD_PID'))
    const agent = sandbox.adopt(output)
    expect(await isAnswering(agent)).toBe(true)
    process.kill(child.pid ?? 0, 'SIGINT')
    await finished
    await processEnd(agent.pid)
    expect(await exists(agent.socketPath)).toBe(false)
    expect(await readFile(log, 'utf8')).toContain(`listening on ${agent.socketPath}`)
  })
})

describe('oidc-agent -k', () => {
  test('oidc-agent -k ends the agent and unsets the variables', async () => {
    const agent = await sandbox.startAgent()
    const killed = await sandbox.run('oidc-agent', ['-k'])
    expect(outputOf(killed)).toBe(
      `unset OIDC_SOCK;\nunset OIDCD_PID;\necho Agent pid ${agent.pid} killed;\n`,
    )
    expect(isRunning(agent.pid)).toBe(false)
    expect(await exists(dirname(agent.socketPath))).toBe(false)
  })

  test('oidc-agent -k fails without an agent to end', async () => {
    const unset = await sandbox.run('oidc-agent', ['-k'])
    expect(unset).toMatchObject({ status: 1, stdout: '' })
    expect(unset.stderr).toContain('OIDCD_PID not set, cannot kill Agent')
    const agent = await sandbox.startAgent()
    await sandbox.endAgent(agent)
    expect(await sandbox.run('oidc-agent', ['-k'])).toMatchObject({ status: 1, stdout: '' })
  })
})

test('an uncaught error of the agent is logged with its name and stack, without its message', async () => {
  const bug = "process.on('SIGUSR2', () => { throw new RangeError('SECRET') })"
  const path = await sandbox.file('home/bug.cjs', bug)
  const agent = await sandbox.startAgent([], { env: { NODE_OPTIONS: `--require ${path}` } })
  await endProcess(agent.pid, 'SIGUSR2')
  const state = sandbox.env['XDG_STATE_HOME'] ?? ''
  const [directory = ''] = await readdir(state)
  const log = await readFile(join(state, directory, 'agent.log'), 'utf8')
  expect(log).toMatch(/warning: ended by a bug: RangeError +at /)
  expect(log).not.toContain('SECRET')
})

test('the agent ends on SIGTERM while delayed guesses of the lock password wait for their replies', async () => {
  const agent = await sandbox.startAgent()
  await exchange(agent.socketPath, '{"request":"lock","password":"pw"}')
  // The replies come one after the other, each later than the one before.
  const guess = (): Promise<string> =>
    exchange(agent.socketPath, '{"request":"unlock","password":"guess"}')
  const guesses = Array.from({ length: 5 }, guess)
  expect(await Promise.race(guesses)).toContain('wrong password')
  const toldAt = performance.now()
  await sandbox.endAgent(agent)
  expect(performance.now() - toldAt).toBeLessThan(4_000)
  expect((await Promise.all(guesses)).at(-1)).toContain('the agent is shutting down')
})

describe('oidc-agent --status', () => {
  test('oidc-agent --status prints options and accounts, as text and as JSON', async () => {
    await sandbox.startAgent(['-t', '3600', '--no-autoload'])
    const text = outputOf(await sandbox.run('oidc-agent', ['--status']))
    expect(text).toMatch(/3600/)
    expect(text).toMatch(/Currently there are 0 accounts loaded/)
    const json = outputOf(await sandbox.run('oidc-agent', ['--status', '--json']))
    expect(JSON.parse(json)).toMatchObject({
      version: expect.any(String) as string,
      command_line_options: expect.stringContaining('--lifetime') as string,
      loaded_accounts: [],
    })
  })

  test('oidc-agent --status without an agent fails and names the command to run', async () => {
    const { status, stdout, stderr } = await sandbox.run('oidc-agent', ['--status'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^Error: .+\n[\s\S]*oidc-agent/)
  })
})

describe('debugger of Node', () => {
  /** Whether a process listens on Node's debugger port, 9229 = 0x240D (proc_net_tcp(5)). */
  async function debuggerListens(): Promise<boolean> {
    const tables = await Promise.all(
      ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
    )
    return tables.some((table) => /:240D \S+ 0A /.test(table))
  }

  test.skipIf(process.platform !== 'linux')(
    'SIGUSR1 does not open the debugger port of the agent',
    async () => {
      expect(await debuggerListens()).toBe(false)
      const plain = startCommand('node', ['-e', 'console.log(1); setInterval(() => {}, 1e6)'], {
        env: sandbox.env,
      })
      const pid = plain.child.pid ?? 0
      await new Promise((resolve) => plain.child.stdout?.once('data', resolve))
      process.kill(pid, 'SIGUSR1')
      await until('plain Node to open its debugger', debuggerListens)
      await endProcess(pid, 'SIGKILL')

      const agent = await sandbox.startAgent()
      process.kill(agent.pid, 'SIGUSR1')
      for (let round = 0; round < 20; round += 1) {
        expect(await isAnswering(agent)).toBe(true)
        expect(await debuggerListens()).toBe(false)
      }
    },
  )

  test.each(['--inspect=0', '--title=x --inspect-port=0 --inspect'])(
    'oidc-agent refuses to start with NODE_OPTIONS=%s',
    async (options) => {
      const refused = await sandbox.run('oidc-agent', [], { env: { NODE_OPTIONS: options } })
      expect(refused).toMatchObject({ stdout: '', signal: null })
      expect(refused.status).not.toBe(0)
      expect(refused.stderr).toMatch(/Error: .*inspect/)
      expect(await readdir(sandbox.env['TMPDIR'] ?? '')).toEqual([])
    },
  )
})
