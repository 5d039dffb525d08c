import { existsSync } from 'node:fs'
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type Answers, GenSession } from '../../test/support/gen-session.ts'

const issuer = 'https://op.example/'
const ok = { status: 'success' } as const
const supported = 'openid offline_access profile compute.read'
const device = {
  device_code: 'DC',
  user_code: 'ABCD-EFGH',
  verification_uri: 'https://op.example/device',
  expires_in: 60,
  interval: 2,
}
const client = {
  client_id: 'cid',
  client_secret: 'sec',
  registration_access_token: 'RAT',
  registration_client_uri: 'https://op.example/reg/cid',
  // The provider must not set the account's name or issuer.
  name: '../evil',
  issuer_url: 'https://evil.example/',
}
const config = { name: 'wlcg', issuer_url: issuer, client_id: 'cid', refresh_token: 'RT' }
const pending = { status: 'failure', error: 'authorization_pending' }

const answers: Answers = {
  check: ok,
  scopes: { ...ok, info: supported },
  register: { ...ok, client, max_scopes: supported },
  gen: { status: 'accepted', oidc_device: device },
  device: [pending, { ...ok, config }],
  add: { ...ok, info: 'account already loaded.' },
  delete_client: ok,
}

let session: GenSession
afterEach(() => session.close())

describe('An account with dynamic registration', () => {
  beforeEach(async () => {
    session = await GenSession.open(answers)
  })

  const asked = 'Enter encryption password for account configuration'
  const again = 'Confirm encryption password'

  test('oidc-gen asks in the order of the C tool, registers a client, waits for the login, and saves the account', async () => {
    await mkdir(join(session.home, '.oidc-agent'))
    await writeFile(
      join(session.home, '.oidc-agent', 'issuer.config'),
      'https://one.example/\nhttps://wlcg.example/\nhttps://op.example/\n',
    )
    const { status, stdout, stderr, terminal, pauses } = await session.run(
      ['-w', 'device', 'wlcg'],
      {
        turns: [
          ['Issuer [https://wlcg.example/]', '17'],
          ['Issuer', '3'],
          ["Scopes or 'max' (space separated) [openid profile offline_access]", 'compute.read'],
          [`${asked} 'wlcg'`, 'one'],
          [again, 'other'],
          [asked, 'pw'],
          [again, 'pw'],
        ],
      },
    )
    expect(stderr).toBe(
      '\nUsing a browser on any device, visit:\nhttps://op.example/device\n\nAnd enter the code: ABCD-EFGH\n',
    )
    expect(stdout).toBe(
      'Registering Client ...\nGenerating account configuration ...\naccepted\nEverything setup correctly!\n',
    )
    expect(status).toBe(0)
    expect(terminal.left).toEqual([])
    expect(terminal.closed).toBe(true)
    expect(terminal.screen).toContain('Input out of bound')
    expect(terminal.screen).toContain(
      '[1] https://one.example/\n[2] https://wlcg.example/\n[3] https://op.example/',
    )
    expect(terminal.screen).toContain(`The following scopes are supported: ${supported}`)
    expect(terminal.screen).toContain('Encryption passwords did not match.')
    expect(pauses).toEqual([2, 2])

    expect(session.asked).toEqual(['check', 'scopes', 'register', 'gen', 'device', 'device', 'add'])
    expect(session.request('register')).toMatchObject({
      flow: ['device'],
      config: {
        name: 'wlcg',
        client_name: 'oidc-agent:wlcg-host',
        issuer_url: issuer,
        auth_scope: 'openid offline_access compute.read',
        redirect_uris: [],
      },
    })
    expect(session.request('gen')).toMatchObject({
      flow: ['device'],
      only_at: false,
      pw_entry: { account: 'wlcg', type: 8 },
      config: { name: 'wlcg', issuer_url: issuer, client_id: 'cid', client_secret: 'sec' },
    })
    expect(session.request('device')).toMatchObject({ oidc_device: { device_code: 'DC' } })

    const saved = await session.fieldsOf('wlcg', 'pw')
    expect(saved).toMatchObject({ ...config, registration_access_token: 'RAT' })
    const { mode } = await stat(join(session.accounts.path, 'wlcg'))
    expect(mode & 0o777).toBe(0o600)
    expect(await readFile(join(session.accounts.path, 'issuer.config'), 'utf8')).toContain('wlcg')
    const add = session.request('add')
    expect(add).toMatchObject({ plain_add: true, config: { name: 'wlcg', refresh_token: 'RT' } })
    expect(add['file_key']).toBeDefined()
  })

  const alone = ['--pw-env', '--prompt=none', `--iss=${issuer}`, '--scope=max', 'wlcg']
  const env = { OIDC_ENCRYPTION_PW: 'pw' }

  test('with --prompt=none and all options an account is made without a question', async () => {
    const { status, stderr } = await session.run([...alone, '--cnid=mine', '--aud=a b'], { env })
    expect(status, stderr).toBe(0)
    expect(session.request('register')).toMatchObject({
      config: {
        client_name: 'oidc-agent:wlcg-mine',
        auth_scope: supported,
        audience: 'a b',
      },
    })
    // As with the C tool the agent keeps a password that came from a variable.
    expect(session.request('add')['pw_entry']).toEqual({ account: 'wlcg', type: 9, password: 'pw' })
    expect(await session.fieldsOf('wlcg', 'pw')).toMatchObject({ refresh_token: 'RT' })
  })

  test('no client is registered if the password cannot be asked for', async () => {
    const { status, stderr } = await session.run([`--iss=${issuer}`, '--scope=max', 'wlcg'])
    expect(status).toBe(1)
    expect(stderr).toContain('there is no terminal')
    expect(session.asked).toEqual(['check', 'scopes'])
  })

  test.each([
    [['wlcg'], 'Required argument issuer url not given.', "'--issuer' option"],
    [[`--iss=${issuer}`, 'wlcg'], 'Required argument scope not given.', "'--scope' option"],
    [[], 'No account short name given.', ''],
  ])('with --prompt=none the error names the missing option: %j', async (argv, error, option) => {
    const { status, stderr } = await session.run(['--prompt=none', ...argv], { env })
    expect(status).toBe(1)
    expect(stderr).toContain(`Error: ${error}`)
    expect(stderr).toContain(option)
  })

  test('Ctrl-C during the login ends oidc-gen by SIGINT, without a file, and deletes the client', async () => {
    const { status, stdout } = await session.run(alone, { env, interruptAt: 2 })
    expect(status).toBe('SIGINT')
    expect(stdout).not.toContain('Everything')
    expect(session.request('delete_client')).toMatchObject({
      registration_access_token: 'RAT',
      registration_client_uri: 'https://op.example/reg/cid',
    })
    expect(session.asked).not.toContain('add')
    await expect(session.accounts.list()).rejects.toThrow()
  })

  test('Ctrl-C at the password reports that the account is loaded but not saved', async () => {
    const { status, stderr } = await session.run([`--iss=${issuer}`, '--scope=max', 'wlcg'], {
      turns: [[asked, new AgentError('cancelled', 'cancelled: interrupted')]],
    })
    expect(status).toBe('SIGINT')
    expect(stderr).toContain('is loaded in the agent and works as long as the agent runs')
    expect(stderr).toContain('oidc-add -r wlcg')
    expect(session.asked).not.toContain('delete_client')
  })

  test('writing the account file can be tried again after a failure', async () => {
    const blocker = join(session.home, '.oidc-agent')
    await writeFile(blocker, 'in the way')
    const cause = new AgentError('cancelled', 'cancelled')
    const { status, stderr } = await session.run([...alone.slice(2), '--pw-env'], {
      env,
      turns: [
        ['Do you want to try to save it again? [Yes/no/quit]', ''],
        ['Do you want to try to save it again? [Yes/no/quit]', cause],
      ],
    })
    expect(status).toBe(1)
    expect(stderr.match(/Error: cannot write/g)).toHaveLength(3)
    expect(stderr).toContain('it is not saved')
  })

  test('a file that cannot be written is reported once if --confirm-no answers', async () => {
    await writeFile(join(session.home, '.oidc-agent'), 'in the way')
    const { status, stderr } = await session.run([...alone.slice(2), '--pw-env', '--confirm-no'], {
      env,
    })
    expect(status).toBe(1)
    expect(stderr.match(/Error: cannot write/g)).toHaveLength(1)
    expect(stderr).toContain('it is not saved')
  })

  test.runIf(existsSync('/proc/version'))(
    'the agent gets the file key even if issuer.config cannot be written',
    async () => {
      await mkdir(join(session.home, '.oidc-agent'))
      await symlink('/proc/version', join(session.home, '.oidc-agent', 'issuer.config'))
      const { status, stderr } = await session.run(alone, { env })
      expect(stderr).toContain('Warning: account wlcg is saved, but: cannot write')
      expect(status).toBe(0)
      expect(session.asked.at(-1)).toBe('add')
    },
  )

  test('an account whose name is taken is not made', async () => {
    await mkdir(join(session.home, '.oidc-agent'))
    await session.accounts.write('wlcg', 'sealed')
    const { status, stderr } = await session.run(alone, { env })
    expect(status).toBe(1)
    expect(stderr).toContain('An account with that shortname is already configured')
    expect(stderr).toContain('oidc-gen --reauthenticate wlcg')
    expect(session.asked).toEqual(['check'])
    const name = 'Enter short name for the account to configure'
    const stop = new AgentError('cancelled', 'cancelled')
    const { terminal } = await session.run([], {
      turns: [
        [name, 'wlcg'],
        [name, stop],
      ],
    })
    expect(terminal.left).toEqual([])
  })

  test.each(['a/b', '.hidden', 'issuer.config', ''])(
    'an account cannot be named "%s"',
    async (name) => {
      const { status, stderr } = await session.run([...alone.slice(0, -1), name], { env })
      expect(status).toBe(1)
      expect(stderr).toMatch(/^Error: /)
      expect(session.asked).toEqual(['check'])
    },
  )

  test('--no-save writes no file', async () => {
    const { status, stdout } = await session.run([...alone.slice(1), '--no-save'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/Everything setup correctly!\n$/)
    expect(session.asked).not.toContain('add')
    await expect(session.accounts.list()).rejects.toThrow()
  })
})

describe('A provider that does not register the client as requested', () => {
  const argv = ['--pw-env', '--prompt=none', `--iss=${issuer}`, '--scope=max', 'wlcg']
  const env = { OIDC_ENCRYPTION_PW: 'pw' }

  test('scopes that the registered client lacks are reported, and the login requests the others', async () => {
    const granted = { ...client, scope: 'openid offline_access' }
    session = await GenSession.open({ ...answers, register: { ...ok, client: granted } })
    const { status, stderr } = await session.run(argv, { env })
    expect(status).toBe(0)
    expect(stderr).toContain('The following are missing: profile compute.read')
    const { config: sent } = session.request('gen') as { config: JsonObject }
    expect(sent['auth_scope']).toBe('openid offline_access')
  })

  const refused = {
    status: 'failure',
    error: 'access_denied: by hand only',
    code: 'provider-error',
  }

  test('if the registration is refused and there is no public client, the error tells how to continue', async () => {
    session = await GenSession.open({ ...answers, register: refused })
    const { status, stderr } = await session.run(argv, { env })
    expect(status).toBe(1)
    expect(stderr).toContain('Error: access_denied: by hand only\n')
    expect(stderr).toContain('oidc-gen -m wlcg')
    expect(session.asked).not.toContain('gen')
  })

  test('if the registration is refused, the public client is used, and is not deleted after Ctrl-C', async () => {
    session = await GenSession.open({ ...answers, register: refused })
    await mkdir(join(session.home, '.oidc-agent'))
    await writeFile(
      join(session.home, '.oidc-agent', 'pubclients.config'),
      'public:key@https://op.example/\n',
    )
    const { status, stderr } = await session.run(argv, { env, interruptAt: 1 })
    expect(stderr).toContain('Try using a public client ...')
    expect(status).toBe('SIGINT')
    expect(session.request('gen')).toMatchObject({
      config: { client_id: 'public', client_secret: 'key', uses_pub_client: 1 },
    })
    expect(session.asked).not.toContain('delete_client')
  })

  test('after a network failure at the registration the public client is not used', async () => {
    const network = { status: 'failure', error: 'could not connect to url', code: 'network' }
    session = await GenSession.open({ ...answers, register: network })
    const { stderr } = await session.run(argv, { env })
    expect(stderr).toBe('Error: could not connect to url\n')
  })

  test('an issuer that does not respond ends oidc-gen before a client is registered', async () => {
    const network = { status: 'failure', error: 'could not connect to url', code: 'network' }
    session = await GenSession.open({ ...answers, scopes: network })
    const { status, stderr } = await session.run(argv, { env })
    expect(status).toBe(1)
    expect(stderr).toContain(
      `Error: Error while retrieving supported scopes for '${issuer}': could not connect to url\n`,
    )
    expect(session.asked).toEqual(['check', 'scopes'])
  })
})
