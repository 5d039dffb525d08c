import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { endProcess, isRunning, processEnd, until } from '../../test/support/process-table.ts'

/*
 * The launcher as a process, with fake daemons of any behaviour. The tests in test/e2e use the real
 * daemon.
 */

let directory: string
let launcher: string
/** Processes to end after each test. */
const pids = new Set<number>()

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'oidc-launcher-'))
  launcher = join(directory, 'bin', 'oidc-agent')
  mkdirSync(join(directory, 'bin'))
  writeFileSync(join(directory, 'package.json'), '{ "type": "commonjs" }')
  await build({
    entryPoints: [join(import.meta.dirname, 'main.ts')],
    outfile: launcher,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  })
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

afterEach(async () => {
  for (const pid of pids) await endProcess(pid, 'SIGKILL')
  pids.clear()
})

/** A daemon with a socket, a report and an end. */
const goodDaemon = `
  const fs = require('node:fs'), net = require('node:net'), path = require('node:path')
  process.title = 'oidc-agent'
  const options = JSON.parse(process.argv[2])
  const directory = fs.mkdtempSync(path.join(process.env.TMPDIR, 'oidc-'))
  const socket = path.join(directory, 'oidc-agent.' + options.parentPid)
  const server = net.createServer((connection) => connection.end('{}'))
  const end = () => { fs.rmSync(directory, { recursive: true }); process.exit(0) }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  server.listen(socket, () => {
    fs.writeFileSync(path.join(__dirname, 'options.json'), JSON.stringify(options))
    fs.writeSync(3, JSON.stringify({ socket, pid: process.pid }) + '\\n')
    fs.closeSync(3)
    if (options.parentPipe) new net.Socket({ fd: 4 }).on('close', end).resume()
  })
`

function daemon(source: string): void {
  writeFileSync(join(directory, 'agent.cjs'), source)
}

function environment(): Record<string, string | undefined> {
  return { PATH: process.env['PATH'], TMPDIR: directory }
}

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function agent(
  argv: readonly string[],
  env: Record<string, string> = {},
  node: readonly string[] = [],
): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, launcher, ...argv], {
    encoding: 'utf8',
    env: { ...environment(), ...env },
    timeout: 20_000,
  })
  const pid = Number(/OIDCD_PID=(\d+)/.exec(stdout)?.[1] ?? 0)
  if (pid > 1) pids.add(pid)
  return { status, stdout, stderr }
}

/** The variables of a started agent. */
function variables(stdout: string): { OIDC_SOCK: string; OIDCD_PID: string } {
  const [, OIDC_SOCK = '', OIDCD_PID = ''] =
    /^OIDC_SOCK=([^;]+); export OIDC_SOCK;\nOIDCD_PID=(\d+); export OIDCD_PID;\n/.exec(stdout) ?? []
  return { OIDC_SOCK, OIDCD_PID }
}

function daemonOptions(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(directory, 'options.json'), 'utf8')) as Record<
    string,
    unknown
  >
}

describe('Starting an agent', () => {
  beforeAll(() => daemon(goodDaemon))

  test('oidc-agent prints its variables when the socket accepts connections, and ends', () => {
    const { status, stdout, stderr } = agent([])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const { OIDC_SOCK, OIDCD_PID } = variables(stdout)
    expect(stdout).toBe(
      `OIDC_SOCK=${OIDC_SOCK}; export OIDC_SOCK;\nOIDCD_PID=${OIDCD_PID}; export OIDCD_PID;\necho Agent pid $OIDCD_PID\n`,
    )
    expect(existsSync(OIDC_SOCK)).toBe(true)
    expect(isRunning(Number(OIDCD_PID))).toBe(true)
    expect(OIDC_SOCK).toBe(join(OIDC_SOCK, '..', `oidc-agent.${process.pid}`))
  })

  test("--quiet omits the message, and --json prints byte for byte the C agent's output", () => {
    const quiet = agent(['--quiet']).stdout
    expect(quiet).toMatch(/; export OIDCD_PID;\n$/)
    const json = agent(['--json']).stdout
    const { dpid, socket } = JSON.parse(json) as { dpid: string; socket: string }
    pids.add(Number(dpid))
    expect(json).toBe(`{\n\t"socket":\t"${socket}",\n\t"dpid":\t"${dpid}"\n}`)
  })

  test('the daemon gets the options of the command line', () => {
    agent([])
    expect(daemonOptions()).toMatchObject({
      lifetime: 0,
      autoload: true,
      webserver: true,
      parentPipe: false,
    })
    agent(['-a', '/x/', '-t60', '--no-autol', '--no-auto-re', '--no-scheme', '--with-group', '-cg'])
    expect(daemonOptions()).toMatchObject({
      socketPath: '/x/',
      lifetime: 60,
      autoload: false,
      autoReauthenticate: false,
      customUriScheme: false,
      webserver: true,
      group: 'oidc-agent',
      confirm: true,
      debug: true,
    })
    agent([
      '--bind_address=sub/',
      '--pid-file',
      'p',
      '--with-group=wlcg',
      '--always-allow-id-token',
    ])
    expect(daemonOptions()).toMatchObject({
      socketPath: `${process.cwd()}/sub/`,
      pidFile: `${process.cwd()}/p`,
      group: 'wlcg',
      alwaysAllowIdToken: true,
    })
  })

  test('the daemon gets the restricted socket, and a malformed limit is a usage error', () => {
    const limit = 'acc&scopes=a:b&audience=https://se.example:443'
    agent(['--restricted-socket=sub/s', '--allow', limit, '--allow=b&scopes=*'])
    expect(daemonOptions()).toMatchObject({
      restrictedSocket: { path: `${process.cwd()}/sub/s`, allow: [limit, 'b&scopes=*'] },
    })
    const wrong = agent(['--restricted-socket=/s', '--allow=acc'])
    expect(wrong).toMatchObject({ status: 64, stdout: '' })
    expect(wrong.stderr).toContain('scopes must be given; scopes=* allows all')
    expect(agent(['--restricted-socket=/s']).status).toBe(64)
    expect(agent(['--allow', limit]).status).toBe(64)
  })

  test('a Node.js debugger is refused before the daemon starts', () => {
    const byOption = agent([], {}, ['--inspect=127.0.0.1:0'])
    expect(byOption).toMatchObject({ status: 1, stdout: '' })
    expect(byOption.stderr).toContain("Error: the command line of node opens Node's debugger")
    const byVariable = agent([], { NODE_OPTIONS: '--no-warnings --inspect=127.0.0.1:0' })
    expect(byVariable).toMatchObject({ status: 1, stdout: '' })
    expect(byVariable.stderr).toContain("Error: NODE_OPTIONS opens Node's debugger")
  })
})

describe('A daemon that cannot start', () => {
  test('the launcher fails with the error, hint and status of the daemon', () => {
    daemon(`require('node:fs').writeSync(3, JSON.stringify({
      error: 'socket path location is not trustworthy', code: 'file-unwritable', hint: 'chmod it',
    }) + '\\n'); process.exitCode = 1`)
    expect(agent([])).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Error: socket path location is not trustworthy\nchmod it\n',
    })
  })

  test.each([
    ['by its own exit', `process.exit(3)`],
    ['by a signal', `process.kill(process.pid, 'SIGKILL')`],
    ['by an exception', `throw new Error('no')`],
  ])('the launcher reports a daemon that ends without a report: %s', (_, source) => {
    daemon(source)
    expect(agent([])).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Error: the agent ended while it was starting\nRun oidc-agent -d to see why.\n',
    })
  })

  test('the launcher reports a malformed report of the daemon', () => {
    daemon(`require('node:fs').writeSync(3, '{"socket":1}'); process.exit(0)`)
    expect(agent([])).toMatchObject({ status: 1, stdout: '', stderr: 'Error: unknown error\n' })
    daemon(`require('node:fs').writeSync(3, 'hello'); process.exit(0)`)
    expect(agent([])).toMatchObject({ status: 1, stdout: '' })
  })
})

describe('oidc-agent -k', () => {
  beforeAll(() => daemon(goodDaemon))

  test('-k ends the agent and prints which variables to unset', () => {
    const env = variables(agent([]).stdout)
    expect(agent(['-k'], env)).toEqual({
      status: 0,
      stdout: `unset OIDC_SOCK;\nunset OIDCD_PID;\necho Agent pid ${env.OIDCD_PID} killed;\n`,
      stderr: '',
    })
    expect(isRunning(Number(env.OIDCD_PID))).toBe(false)
    expect(existsSync(env.OIDC_SOCK)).toBe(false)
    expect(existsSync(join(env.OIDC_SOCK, '..'))).toBe(false)
  })

  test('-k removes a socket that the agent left behind', () => {
    daemon(goodDaemon.replace('fs.rmSync(directory, { recursive: true });', ''))
    const env = variables(agent([]).stdout)
    daemon(goodDaemon)
    expect(agent(['-k', '--quiet'], env).stdout).toBe('unset OIDC_SOCK;\nunset OIDCD_PID;\n')
    expect(existsSync(join(env.OIDC_SOCK, '..'))).toBe(false)
  })

  test('-k does not end a process that is not an agent, nor remove a file that is not a socket', async () => {
    const other = spawn('sleep', ['60'], { stdio: 'ignore' })
    await once(other, 'spawn')
    const pid = other.pid ?? 0
    pids.add(pid)
    const file = join(directory, 'precious')
    writeFileSync(file, 'data')
    const { status, stdout, stderr } = agent(['-k'], { OIDCD_PID: String(pid), OIDC_SOCK: file })
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`there is no oidc-agent with pid ${pid}`)
    expect(isRunning(pid)).toBe(true)

    const env = variables(agent([]).stdout)
    expect(agent(['-k'], { ...env, OIDC_SOCK: file }).status).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe('data')
  })

  test.each([
    [{}, 'OIDCD_PID not set, cannot kill Agent'],
    [{ OIDCD_PID: '' }, 'OIDCD_PID not set, cannot kill Agent'],
    [{ OIDCD_PID: '1' }, "OIDCD_PID is not a pid: '1'"],
    [{ OIDCD_PID: '-1' }, "OIDCD_PID is not a pid: '-1'"],
    [{ OIDCD_PID: '12x' }, "OIDCD_PID is not a pid: '12x'"],
    [{ OIDCD_PID: '999999999' }, 'there is no oidc-agent with pid 999999999'],
  ])('-k fails without a running agent: %j', (env: Record<string, string>, message) => {
    const { status, stdout, stderr } = agent(['-k'], env)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`Error: ${message}\n`)
  })
})

describe('An agent for a command', () => {
  beforeAll(() => daemon(goodDaemon))

  test("the command has the agent and its own options, and its exit status is the launcher's", () => {
    const script =
      'test -S "$OIDC_SOCK" && kill -0 "$OIDCD_PID" && echo "$OIDC_SOCK $OIDCD_PID $@"; exit 7'
    const { status, stdout, stderr } = agent([
      '--lifetime',
      '5',
      'sh',
      '-c',
      script,
      '-k',
      '--help',
      '--',
    ])
    expect({ status, stderr }).toEqual({ status: 7, stderr: '' })
    const [socket = '', pid, ...rest] = stdout.trim().split(' ')
    expect(rest).toEqual(['--help', '--'])
    expect(daemonOptions()).toMatchObject({ lifetime: 5, parentPipe: true })
    expect(isRunning(Number(pid))).toBe(false)
    expect(existsSync(socket)).toBe(false)
  })

  test('a signal that ends the command ends the launcher, or becomes its status as in a shell', () => {
    for (const signal of ['INT', 'TERM', 'HUP']) {
      const said = agent(['sh', '-c', `kill -${signal} $$`])
      expect(said).toMatchObject({ status: null, stderr: '' })
    }
    expect(agent(['sh', '-c', 'kill -KILL $$'])).toMatchObject({ status: 137, stderr: '' })
  })

  test('a command that cannot be run gives status 127', () => {
    const { status, stderr } = agent(['no-such-command-anywhere'])
    expect(status).toBe(127)
    expect(stderr).toContain("Error: cannot run 'no-such-command-anywhere': command not found")
  })

  test('-d with a command is a usage error', () => {
    expect(agent(['-d', 'true']).status).toBe(64)
  })

  /** Starts the launcher with a command that runs until it gets a signal; resolves when the command runs. */
  async function running(
    script: string,
  ): Promise<{ child: ChildProcess; pid: number; text: () => string }> {
    const child = spawn(process.execPath, [launcher, 'sh', '-c', script], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
      // Without a terminal, whose signals would reach the command too.
      detached: true,
    })
    pids.add(child.pid ?? 0)
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    await until('the command to run', () => text.includes('\n'))
    const [pid = 0, command = 0] = text.split(' ').map(Number)
    pids.add(pid).add(command)
    return { child, pid, text: () => text }
  }

  const loop = 'echo "$OIDCD_PID $$ ready"; while :; do sleep 0.05; done'

  test.each(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1'] as const)(
    '%s sent to the launcher is passed to the command, whose status counts',
    async (signal) => {
      const { child, pid, text } = await running(
        `trap 'echo got it; exit 9' ${signal.slice(3)}; ${loop}`,
      )
      const exit = once(child, 'exit')
      child.kill(signal)
      expect(await exit).toEqual([9, null])
      expect(text()).toContain('got it')
      expect(isRunning(pid)).toBe(false)
    },
  )

  test('the agent ends when its launcher is killed', async () => {
    const { child, pid } = await running(loop)
    child.kill('SIGKILL')
    await processEnd(pid)
  })
})

describe('oidc-agent -d', () => {
  test('-d prints the variables, stays in the foreground, and ends with the agent', async () => {
    daemon(goodDaemon)
    const child = spawn(process.execPath, [launcher, '-d'], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    pids.add(child.pid ?? 0)
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    const { OIDC_SOCK, OIDCD_PID } = variables(chunk.toString())
    pids.add(Number(OIDCD_PID))
    expect(existsSync(OIDC_SOCK)).toBe(true)
    expect(daemonOptions()).toMatchObject({ console: true, parentPipe: true })
    const exit = once(child, 'exit')
    child.kill('SIGINT')
    expect(await exit).toEqual([0, null])
    expect(isRunning(Number(OIDCD_PID))).toBe(false)
  })
})
