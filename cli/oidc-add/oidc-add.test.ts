import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AccountDirectory } from '../../protocol/storage/account-directory.ts'
import { newFileKey, sealAccountFile } from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type ScriptedAgent, scriptedAgent } from '../../test/support/scripted-agent.ts'
import { scriptedTerminal, type Turn } from '../../test/support/scripted-terminal.ts'
import { type ExitOutcome, run } from '../run.ts'
import { testIo } from '../test-io.ts'
import { addAccounts } from './oidc-add.ts'
import { oidcAdd } from './options.ts'

const ok = { status: 'success' } as const
/** Of the password `pw`: derived once, since each derivation takes a fifth of a second. */
const fileKey = newFileKey('pw')
const account = { name: 'acc', issuer_url: 'https://op.example/', refresh_token: 'RT' }
const decrypt = "Enter decryption password for account config 'acc'"

let home: string
let agent: ScriptedAgent
let answers: Record<string, JsonObject>

beforeEach(async () => {
  answers = { loaded_accounts: { ...ok, info: [] }, add: ok }
  agent = await scriptedAgent((request) => {
    const type = request['request']
    return (typeof type === 'string' ? answers[type] : undefined) ?? ok
  })
  home = await mkdtemp(join(tmpdir(), 'oidc-add-'))
  const path = join(home, '.oidc-agent')
  await mkdir(path)
  const text = await sealAccountFile(account, await fileKey)
  await new AccountDirectory(path).write('acc', text)
})

afterEach(async () => {
  await agent.close()
  await rm(home, { recursive: true })
})

interface Ran {
  readonly status: ExitOutcome
  readonly stdout: string
  readonly stderr: string
}

async function add(
  argv: readonly string[],
  options: {
    readonly turns?: readonly Turn[]
    readonly env?: Record<string, string>
    readonly screen?: boolean
  } = {},
): Promise<Ran> {
  const env = { HOME: home, OIDC_SOCK: agent.path, ...options.env }
  const { screen = false } = options
  const io = { ...testIo({ argv, env, screen }), now: () => 1_700_000_000_000 }
  const terminal = scriptedTerminal(...(options.turns ?? []))
  const host = {
    systemDirectory: join(home, 'etc'),
    openTerminal: () => {
      if (options.turns !== undefined) return terminal
      throw new AgentError('no-terminal', 'there is no terminal to ask on')
    },
  }
  const status = await run(oidcAdd, (args, runtime) => addAccounts(args, runtime, host), io)
  expect(terminal.left).toEqual([])
  return { status, stdout: io.stdout.text, stderr: io.stderr.text }
}

function sent(type: string): JsonObject {
  const found = agent.requests.find((request) => request['request'] === type)
  if (found === undefined) throw new Error(`the agent was not asked ${type}`)
  return found
}

const env = { OIDC_ENCRYPTION_PW: 'pw' }

describe('Loading an account', () => {
  test('oidc-add opens the file and gives the agent the account, the file key, and the source of the password', async () => {
    const turns: Turn[] = [
      [decrypt, 'wrong'],
      [decrypt, 'pw'],
    ]
    expect(await add(['acc'], { turns })).toEqual({
      status: 0,
      stdout: 'success\n',
      stderr: 'wrong password\n',
    })
    const request = sent('add')
    expect(request).toMatchObject({
      config: account,
      pw_entry: { account: 'acc', type: 8 },
      confirm: false,
      always_allow_id_token: false,
      plain_add: false,
    })
    expect(request).not.toHaveProperty('lifetime')
    const { salt, key } = request['file_key'] as { salt: string; key: string }
    expect(Buffer.from(salt, 'base64')).toHaveLength(16)
    expect(Buffer.from(key, 'base64')).toHaveLength(64)
  })

  test('a loaded account is not loaded again, and its password is not asked for', async () => {
    answers['loaded_accounts'] = { ...ok, info: ['acc'] }
    expect(await add(['acc'])).toEqual({
      status: 0,
      stdout: "Account 'acc' already loaded\n",
      stderr: '',
    })
    expect(agent.requests).toHaveLength(1)
    expect(await add(['-t', '60', 'acc'])).toMatchObject({
      stdout: "Account 'acc' already loaded\n",
      stderr: 'The account was not changed. With --force the other options take effect.\n',
    })
    answers['add'] = { ...ok, info: 'account already loaded.' }
    expect(await add(['-f', '--pw-env', 'acc'], { env })).toEqual({
      status: 0,
      stdout: 'success\n',
      stderr: 'account already loaded.\n',
    })
  })

  test.each([
    [['-t', '60'], { lifetime: 60, pw_entry: { type: 8 } }],
    [['-t', '0'], { lifetime: 0 }],
    [['-c', '--always-allow-idtoken'], { confirm: true, always_allow_id_token: true }],
    [['--skip-check'], { plain_add: true }],
    [
      ['--pw-store=30'],
      { pw_entry: { type: 9, password: 'pw', expires_after: 30, expires_at: 1_700_000_030 } },
    ],
    [['--pw-store', '-t', '60'], { lifetime: 60, pw_entry: { expires_after: 60 } }],
  ])('the options %j are passed to the agent', async (argv, expected) => {
    expect((await add(['--pw-env', ...argv, 'acc'], { env })).status).toBe(0)
    expect(sent('add')).toMatchObject(expected)
  })

  test.each([[['--pw-env']], [['--pw-env', '-t', '60']]])(
    'the agent gets the file key and no password with %j',
    async (argv) => {
      expect((await add([...argv, 'acc'], { env })).status).toBe(0)
      expect(sent('add')).toHaveProperty('file_key')
      expect(sent('add')['pw_entry']).toEqual({ account: 'acc', type: 8 })
    },
  )

  test('the agent gets the command or file of a password, not the password', async () => {
    await writeFile(join(home, 'pw'), 'pw\n')
    await add(['--pw-file', join(home, 'pw'), '--pw-cmd', 'echo pw', 'acc'])
    expect(sent('add')['pw_entry']).toEqual({
      account: 'acc',
      type: 28,
      command: 'echo pw',
      pw_file: join(home, 'pw'),
    })
  })

  test('the agent keeps the password if the issuer files demand it', async () => {
    const known = [{ issuer: 'https://op.example', 'pw-store': true }]
    await writeFile(join(home, '.oidc-agent', 'issuer.config'), JSON.stringify(known))
    await add(['acc'], { turns: [[decrypt, 'pw']] })
    expect(sent('add')['pw_entry']).toEqual({ account: 'acc', type: 9, password: 'pw' })
  })

  test("an issuer as operand means the issuer's default account", async () => {
    const known = [
      { issuer: 'https://op.example/', accounts: ['no', 'acc'], default_account: 'acc' },
    ]
    await writeFile(join(home, '.oidc-agent', 'issuer.config'), JSON.stringify(known))
    expect((await add(['--pw-env', 'https://op.example'], { env })).status).toBe(0)
    const { status, stderr } = await add(['https://other.example'])
    expect(status).toBe(1)
    expect(stderr).toContain('No account configured for the issuer https://other.example')
  })

  test.each([
    ['none', 'No account configured with that short name'],
    ['../acc', 'No account configured with that short name'],
  ])('an account named %s does not exist', async (name, error) => {
    const { status, stderr } = await add([name])
    expect(status).toBe(1)
    expect(stderr).toContain(`Error: ${error}\n`)
  })

  test('a wrong password from a source is an error if there is no terminal', async () => {
    const { status, stderr } = await add(['--pw-env', 'acc'], { env: { OIDC_ENCRYPTION_PW: 'no' } })
    expect(status).toBe(1)
    expect(stderr).toContain('Error: the given password is wrong, and there is no terminal')
  })

  test('an error of the agent is printed with its hint', async () => {
    answers['add'] = { status: 'failure', error: 'invalid_grant: old', info: 'oidc-gen acc --x' }
    const { status, stdout, stderr } = await add(['--pw-env', 'acc'], { env })
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toBe('Error: invalid_grant: old\noidc-gen acc --x\n')
  })

  test('--pw-prompt=gui is not implemented', async () => {
    const { status, stderr } = await add(['--pw-prompt=gui', 'acc'])
    expect(status).toBe(1)
    expect(stderr).toContain('Error: --pw-prompt=gui is not implemented')
  })

  test('without a config directory oidc-add refers to oidc-gen', async () => {
    const { status, stderr } = await add(['acc'], { env: { HOME: join(home, 'none') } })
    expect(status).toBe(1)
    expect(stderr).toContain('oidc-dir does not exist. Run oidc-gen to create it.')
  })
})

describe('The other modes of oidc-add', () => {
  test('-l lists account files by name, -a lists loaded accounts in the order of loading', async () => {
    answers['loaded_accounts'] = { ...ok, info: ['z', 'a'] }
    expect(await add(['-l'])).toEqual({ status: 0, stdout: 'acc\n', stderr: '' })
    expect(await add(['-a'])).toEqual({ status: 0, stdout: 'z\na\n', stderr: '' })
  })

  test('-a on a terminal shows when logins end, and the token files', async () => {
    answers['loaded_accounts'] = { ...ok, info: ['wlcg', 'egi', 'robot', 'dead', 'old', 'who'] }
    const at = { issuer: 'https://op.example/', grant: 'refresh_token', login_expired: false }
    const login = (name: string, refresh_token_expires_at: number | null): JsonObject => ({
      ...at,
      name,
      refresh_token_expires_at,
    })
    const path = '/run/user/1/bt_u1'
    answers['status_json'] = {
      ...ok,
      info: {
        version: '5.3.3',
        loaded_accounts: [],
        accounts: [
          login('wlcg', 1_702_000_000),
          login('egi', null),
          { ...login('robot', null), grant: 'client_credentials' },
          { ...login('dead', 1_702_000_000), login_expired: true },
          login('old', 1_699_000_000),
        ],
        token_files: [{ path, account: 'wlcg', expires_at: 1_700_000_060, state: 'fresh' }],
      },
    }
    const { status, stdout } = await add(['-a'], { screen: true })
    expect(status).toBe(0)
    expect(stdout).toMatch(/^The following account configurations are currently loaded: \n/)
    expect(stdout.split('\n').slice(1, 7)).toEqual([
      expect.stringMatching(/^wlcg {3}login ends 2023-12-0\d$/),
      'egi',
      'robot  robot',
      'dead   login ended',
      'old    login ended',
      'who',
    ])
    expect(stdout).toContain(`Token files kept fresh:\n${path} (wlcg): valid until 2023-11-14`)
  })

  test('-a prints only names if the agent has no status request, and a message if no account is loaded', async () => {
    answers['loaded_accounts'] = { ...ok, info: ['a'] }
    answers['status_json'] = { status: 'failure', error: 'Bad Request: unknown request type' }
    const loaded = await add(['-a'], { screen: true })
    expect(loaded.stdout.split('\n').slice(1)).toEqual(['a', ''])
    answers['loaded_accounts'] = { ...ok, info: [] }
    const none = await add(['-a'], { screen: true })
    expect(none.stdout).toBe('No account configurations are currently loaded.\n')
  })

  test('-l without a config directory lists nothing', async () => {
    const nowhere = { HOME: join(home, 'none') }
    expect(await add(['-l'], { env: nowhere })).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('-r unloads one account, -R all', async () => {
    expect((await add(['-r', 'acc'])).stdout).toBe('success\n')
    expect(sent('remove')).toMatchObject({ account: 'acc' })
    expect((await add(['-R'])).stdout).toBe('success\n')
    answers['remove'] = { status: 'failure', error: 'account not loaded' }
    const { status, stderr } = await add(['-r', 'acc'])
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'Error: account not loaded\n' })
  })

  test('-p prints the account of a file', async () => {
    const { status, stdout } = await add(['-p', '--pw-env', 'acc'], { env })
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject(account)
  })

  test('-x asks for the lock password twice, -X once', async () => {
    answers['lock'] = { ...ok, info: 'Agent locked' }
    const enter = 'Enter lock password'
    const confirm = 'Confirm lock password'
    const locked = await add(['-x'], {
      turns: [
        [enter, 'a'],
        [confirm, 'a'],
      ],
    })
    expect(locked).toEqual({ status: 0, stdout: 'success\n', stderr: 'Agent locked\n' })
    expect(sent('lock')).toMatchObject({ password: 'a' })
    const differing = await add(['-x'], {
      turns: [
        [enter, 'a'],
        [confirm, 'b'],
      ],
    })
    expect(differing).toMatchObject({ status: 1, stderr: 'Error: Passwords do not match.\n' })
    answers['unlock'] = { status: 'failure', error: 'wrong password' }
    const unlocked = await add(['-X'], { turns: [[enter, 'a']] })
    expect(unlocked).toMatchObject({ status: 1, stderr: 'Error: wrong password\n' })
  })

  test('--remote connects to the remote agent only', async () => {
    const remote = { OIDC_SOCK: join(home, 'none'), OIDC_REMOTE_SOCK: agent.address }
    answers['loaded_accounts'] = { ...ok, info: ['far'] }
    expect((await add(['--remote', '-a'], { env: remote })).stdout).toBe('far\n')
    const { status, stderr } = await add(['--remote', '-a'])
    expect(status).toBe(1)
    expect(stderr).toContain('OIDC_REMOTE_SOCK env var not set')
  })

  test('a missing or surplus account name is a usage error', async () => {
    for (const argv of [[], ['-p'], ['-r'], ['a', 'b']]) expect((await add(argv)).status).toBe(64)
  })

  test('without an agent oidc-add reports that it could not connect', async () => {
    const { status, stderr } = await add(['-a'], { env: { OIDC_SOCK: join(home, 'none') } })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Error: Could not connect to oidc-agent/)
  })
})

describe('Restricted sockets', () => {
  const limit = 'acc&scopes=a:b&audience=https://se.example:443'

  test('--share sends path, limits and time, and prints success', async () => {
    answers['share'] = { ...ok, path: '/run/s', info: 'Restricted socket: /run/s' }
    const argv = ['--share=/run/s', '--allow', limit, '--allow=b&scopes=*', '--share-for=60']
    expect(await add(argv)).toEqual({
      status: 0,
      stdout: 'success\n',
      stderr: 'Restricted socket: /run/s\n',
    })
    expect(sent('share')).toEqual({
      request: 'share',
      path: '/run/s',
      allow: [limit, 'b&scopes=*'],
      share_for: 60,
    })
  })

  test('--unshare sends the path', async () => {
    expect(await add(['--unshare', '/run/s'])).toMatchObject({ status: 0, stdout: 'success\n' })
    expect(sent('unshare')).toEqual({ request: 'unshare', path: '/run/s' })
  })

  test.each([
    [['--share=/run/s'], '--share needs at least one --allow'],
    [['--allow', limit], '--allow needs --share'],
    [['--share=/run/s', '--allow=acc'], 'scopes must be given'],
    [['--share-for=5', 'acc'], '--share-for needs --share'],
    [['--share=/run/s', '--allow', limit, '--unshare=/run/s'], 'exclude each other'],
    [['--unshare=/run/s', 'acc'], '--share and --unshare take no account'],
  ])('%j is a usage error, and the agent is not asked', async (argv, message) => {
    const { status, stderr } = await add(argv)
    expect(status).toBe(64)
    expect(stderr).toContain(message)
    expect(agent.requests).toEqual([])
  })
})
