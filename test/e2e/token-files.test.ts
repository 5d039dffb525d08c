import { existsSync, type Stats } from 'node:fs'
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callAgent } from '../../protocol/client/call.ts'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, shown } from '../support/command.ts'
import { until } from '../support/process-table.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { addAccount, startLoaded } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const CE = 'ce.example.org:9619'
const uid = process.getuid?.() ?? 0

let provider: WlcgProvider
let sandbox: Sandbox
let agent: SandboxAgent
/** The discovery path in the sandbox. */
let found: string

beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  agent = (await startLoaded(sandbox, provider)).agent
  found = join(sandbox.directory, 'run', `bt_u${uid}`)
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

/** Runs `oidc-token --file`. Returns the path it prints. */
async function keep(...args: readonly string[]): Promise<string> {
  return outputOf(await sandbox.run('oidc-token', ['--file', ...args])).trimEnd()
}

async function tokenIn(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim()
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8)
}

describe('oidc-token --file', () => {
  test('oidc-token --file writes the token to the discovery path with mode 0600, for every umask', async () => {
    for (const umask of ['000', '022', '077', '777']) {
      const result = await sandbox.sh(`umask ${umask}; oidc-token --file --aud=${CE} wlcg`)
      expect(result, umask).toMatchObject({ status: 0, stdout: `${found}\n`, stderr: '' })
      const text = await readFile(found, 'utf8')
      expect(text).toMatch(/^ey[\w-]+\.[\w-]+\.[\w-]+ *\n$/)
      expect(payloadOf(text.trim())).toMatchObject({ aud: CE })
      expect(modeOf(await lstat(found))).toBe('600')
    }
    expect(await readdir(join(sandbox.directory, 'run'))).toEqual([`bt_u${uid}`])
  })

  test('oidc-token --file writes to a path, to $BEARER_TOKEN_FILE or for a purpose, and --env prints a line for eval', async () => {
    expect(await keep('--purpose=cms', 'wlcg')).toBe(`${found}-cms`)
    expect(await keep(`--purpose=atlas`, '-s', 'compute.read', 'wlcg')).toBe(`${found}-atlas`)
    const path = join(sandbox.directory, 'mine')
    const env = { BEARER_TOKEN_FILE: path }
    expect(outputOf(await sandbox.run('oidc-token', ['--file', 'wlcg'], { env }))).toBe(`${path}\n`)
    const relative = await sandbox.sh('oidc-token --file=here --env --once wlcg')
    const here = join(sandbox.home, 'here')
    expect(outputOf(relative)).toBe(`BEARER_TOKEN_FILE=${here}; export BEARER_TOKEN_FILE;\n`)
    expect(payloadOf(await tokenIn(`${found}-atlas`))['scope']).toBe('compute.read')
    expect(await tokenIn(path)).toBe(await tokenIn(here))
  })

  test('oidc-token --file without a terminal does not load the account, and names the command to run', async () => {
    outputOf(await sandbox.run('oidc-add', ['-r', 'wlcg']))
    const result = await sandbox.run('oidc-token', ['--file', 'wlcg'])
    expect(result).toMatchObject({ status: 1, stdout: '' })
    expect(result.stderr).toContain('oidc-add wlcg')
    expect(existsSync(found)).toBe(false)
  })

  test.each([
    [['--file', '-a', 'wlcg'], '--file'],
    [['--file', '--purpose=a/b', 'wlcg'], '--purpose'],
    [['--file'], 'missing argument'],
    [[], 'missing argument'],
  ])('oidc-token with the arguments %j ends with status 64', async (args, about) => {
    const said = await sandbox.run('oidc-token', args)
    expect(said.status).toBe(64)
    expect(said.stderr).toContain(about)
  })

  test('oidc-token --file does not write through a link, over other content than a token, or where other users can write', async () => {
    const place = join(sandbox.directory, 'place')
    await mkdir(place)
    const other = await sandbox.file('other', 'precious words\n')
    await symlink(other, join(place, 'link'))
    await symlink(join(place, 'nowhere'), join(place, 'dangling'))
    await mkdir(join(place, 'directory'))
    outputOf(await sandbox.run('mkfifo', [join(place, 'fifo')]))
    await writeFile(join(place, 'letter'), 'precious words\n')
    outputOf(
      await sandbox.sh(
        'mkdir ../open ../group ../sticky; chmod 777 ../open; chmod 770 ../group; chmod 1777 ../sticky',
      ),
    )
    for (const [name, why] of [
      ['place/link', /it is a symbolic link/],
      ['place/dangling', /it is a symbolic link/],
      ['place/directory', /it is not a regular file/],
      ['place/fifo', /it is not a regular file/],
      ['place/letter', /what it holds is not a token/],
      ['open/token', /other users can write in its directory/],
      ['group/token', /other users can write in its directory/],
      ['missing/token', /no such file or directory/],
    ] as const) {
      const result = await sandbox.run('oidc-token', [`--file=../${name}`, 'wlcg'])
      expect(result, shown(result)).toMatchObject({ status: 1, stdout: '' })
      expect(result.stderr).toMatch(why)
    }
    expect(await readFile(other, 'utf8')).toBe('precious words\n')
    expect(await readdir(place)).toEqual(['dangling', 'directory', 'fifo', 'letter', 'link'])
    expect(await readdir(join(sandbox.directory, 'open'))).toEqual([])
    outputOf(await sandbox.run('oidc-token', ['--file=../sticky/token', 'wlcg']))
    // The agent manages none of the refused files.
    const { info } = await callAgent(
      { kind: 'unix', path: agent.socketPath },
      { request: 'status_json' },
    )
    expect(info.token_files?.map(({ path }) => path)).toEqual([
      join(sandbox.directory, 'sticky', 'token'),
    ])
  })
})

describe('managed token file', () => {
  test('a managed token file is listed by oidc-agent --status, and not by oidc-add -a without a terminal', async () => {
    await keep('wlcg')
    const line = new RegExp(`^${found} \\(wlcg\\): valid until 20\\S+Z$`, 'm')
    expect(outputOf(await sandbox.run('oidc-agent', ['--status']))).toMatch(line)
    expect(outputOf(await sandbox.run('oidc-add', ['-a']))).toBe('wlcg\n')
    const json = outputOf(await sandbox.run('oidc-agent', ['--status', '--json']))
    expect(JSON.parse(json)).toMatchObject({
      token_files: [{ path: found, account: 'wlcg', state: 'fresh' }],
    })
  })

  test.skipIf(noTerminalReason !== undefined)(
    'oidc-add -a in a terminal lists a managed token file',
    async () => {
      await keep('wlcg')
      const { screen } = await runInTerminal(sandbox, 'oidc-add -a', [])
      expect(screen).toContain(`${found} (wlcg): valid until`)
    },
  )

  test.each([
    ['--file-stop', ['oidc-token', ['--file-stop']]],
    ['oidc-add -r', ['oidc-add', ['-r', 'wlcg']]],
    ['oidc-add -R', ['oidc-add', ['-R']]],
    ['oidc-agent -k', ['oidc-agent', ['-k']]],
  ] as const)('a managed token file is removed after %s', async (what, [command, args]) => {
    await keep('wlcg')
    await keep('--purpose=two', 'wlcg')
    outputOf(await sandbox.run(command, args))
    await until('the file to go', () => !existsSync(found))
    expect(existsSync(`${found}-two`)).toBe(what === '--file-stop')
  })

  test('a token file stays at the end of the agent if it was made with --leave, or if another program replaced it', async () => {
    await keep('--leave', 'wlcg')
    const mine = await keep('--purpose=mine', 'wlcg')
    outputOf(await sandbox.sh(`echo a.b.c >new && mv new '${mine}'`))
    await sandbox.endAgent(agent)
    expect(payloadOf(await tokenIn(found)).iss).toBe(provider.issuer)
    expect(await tokenIn(mine)).toBe('a.b.c')
  })

  test('a managed token file is removed while the agent is locked, and written again after the unlock', async () => {
    await keep('wlcg')
    const address = { kind: 'unix', path: agent.socketPath } as const
    await callAgent(address, { request: 'lock', password: 'x' })
    expect(existsSync(found)).toBe(false)
    await callAgent(address, { request: 'unlock', password: 'x' })
    await until('the file to come back', () => existsSync(found))
  })

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'the next agent manages the token files of an agent that ended by %s',
    async (signal) => {
      await keep('--aud=one', 'wlcg')
      await keep('--purpose=two', '--aud=two', 'wlcg')
      await sandbox.endAgent(agent, signal)
      await sandbox.startAgent()
      await addAccount(sandbox, 'wlcg')
      const kept = async (): Promise<string> =>
        outputOf(await sandbox.run('oidc-agent', ['--status', '--json']))
      await until('both to be fresh', async () => (await kept()).split('"fresh"').length === 3)
      expect(payloadOf(await tokenIn(found)).aud).toBe('one')
      expect(payloadOf(await tokenIn(`${found}-two`)).aud).toBe('two')
      // The files of an account that oidc-add -r unloaded do not come back.
      outputOf(await sandbox.run('oidc-add', ['-r', 'wlcg']))
      await addAccount(sandbox, 'wlcg')
      expect(await kept()).not.toContain('token_files')
      expect(existsSync(found)).toBe(false)
    },
  )

  test('another agent takes over a token file when it is asked to manage it', async () => {
    await keep('--aud=one', 'wlcg')
    const first = { ...sandbox.env }
    await sandbox.startAgent()
    await addAccount(sandbox, 'wlcg')
    // The first agent still runs: the second does not touch its file until it is asked to manage it.
    expect(outputOf(await sandbox.run('oidc-agent', ['--status', '--json']))).not.toContain(
      'token_files',
    )
    await keep('--aud=two', 'wlcg')
    outputOf(await sandbox.run('oidc-agent', ['-k'], { env: first }))
    await until('the first to end', () => !existsSync(first['OIDC_SOCK'] ?? ''))
    expect(payloadOf(await tokenIn(found)).aud).toBe('two')
  })
})

describe('renewal of a managed token file', () => {
  test('a managed token file is renewed before its token expires, removed if that fails, and written again later', async () => {
    provider.settings.accessTokenSeconds = 10
    // Another audience than the default, for which the agent has had a token of an hour since the account was loaded.
    await keep('--aud=short', 'wlcg')
    const first = await tokenIn(found)
    await until('a new token', async () => (await tokenIn(found)) !== first)
    expect(Date.now() / 1000).toBeLessThan(Number(payloadOf(first).exp))
    await provider.down()
    await until('the file to go', () => !existsSync(found), 30_000)
    const status = outputOf(await sandbox.run('oidc-agent', ['--status']))
    expect(status).toContain(`${found} (wlcg): no token; retrying: `)
    await provider.up()
    await until('the file to come back', () => existsSync(found), 30_000)
    expect(Number(payloadOf(await tokenIn(found)).exp) * 1000).toBeGreaterThan(Date.now())
  })
})
