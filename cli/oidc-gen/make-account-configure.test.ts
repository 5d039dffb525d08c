import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newFileKey, sealAccountFile } from '../../protocol/storage/account-file.ts'
import { GenSession } from '../../test/support/gen-session.ts'

const ok = { status: 'success' } as const
/** Of the password `pw`: derived once, since each derivation takes a fifth of a second. */
const fileKey = newFileKey('pw')
const issuer = 'https://op.example/'
const decrypt = "Enter decryption password for account config 'acc'"
const encrypt = "Enter encryption password for account configuration 'acc'"
const secret = 'Client secret'

/** The account in the agent's reply to a login, with a new refresh token. */
const refreshed = { name: 'acc', issuer_url: issuer, refresh_token: 'NEW' }

let session: GenSession
beforeEach(async () => {
  session = await GenSession.open({
    check: ok,
    scopes: { ...ok, info: 'openid offline_access profile' },
    gen: { ...ok, config: refreshed },
    add: ok,
  })
  await mkdir(join(session.home, '.oidc-agent'))
})
afterEach(() => session.close())

const byToken = ['--rt=GIVEN']

describe('A new account with a client registered beforehand', () => {
  test('oidc-gen -m asks for issuer, client and scopes, but not for redirect URIs', async () => {
    const { status, stdout, stderr, terminal } = await session.run(['-m', ...byToken, 'acc'], {
      turns: [
        ['Issuer', issuer],
        ['Client id', 'cid'],
        [secret, ''],
        [secret, 'sec'],
        ['Scopes', ''],
        [encrypt, 'pw'],
        ['Confirm', 'pw'],
      ],
    })
    expect(status, stderr).toBe(0)
    expect(terminal.left).toEqual([])
    expect(stdout).toBe(
      [
        'No account exists with this short name. Creating new configuration ...',
        'Generating account configuration ...',
        'success',
        "The generated account config was successfully added to oidc-agent. You don't have to run oidc-add.",
        'Everything setup correctly!',
        '',
      ].join('\n'),
    )
    expect(session.request('gen')).toMatchObject({
      flow: ['refresh'],
      config: {
        client_id: 'cid',
        client_secret: 'sec',
        refresh_token: 'GIVEN',
        auth_scope: 'openid profile offline_access',
        uses_pub_client: 0,
      },
    })
    expect(await session.fieldsOf('acc', 'pw')).toMatchObject({ refresh_token: 'NEW' })
  })

  test('the secret of a public client is not asked for', async () => {
    const { status, stderr } = await session.run(
      ['--pub', '--client-id=cid', ...byToken, '--no-save', `--iss=${issuer}`, 'acc'],
      { turns: [['Scopes', 'max']] },
    )
    expect(status, stderr).toBe(0)
    expect(session.request('gen')).toMatchObject({
      config: { client_id: 'cid', client_secret: '', uses_pub_client: 1 },
    })
  })

  test('values in the file of -f are not asked for', async () => {
    const file = join(session.home, 'client.json')
    const said = {
      issuer_url: issuer,
      client_id: 'cid',
      scope: 'openid',
      redirect_uris: ['http://a'],
    }
    await writeFile(file, JSON.stringify(said))
    const { status, stderr } = await session.run(['-f', file, ...byToken, '--no-save', 'acc'])
    expect(status, stderr).toBe(0)
    expect(session.request('gen')).toMatchObject({
      config: {
        client_id: 'cid',
        client_secret: '',
        auth_scope: 'offline_access openid',
        redirect_uris: ['http://a'],
      },
    })
  })

  test('a file of -f without a JSON object is refused', async () => {
    const file = join(session.home, 'client.json')
    await writeFile(file, '{"client_id":')
    const { status, stderr } = await session.run(['-f', file, '--prompt=none', 'acc'])
    expect(status).toBe(1)
    expect(stderr).toContain(`Error: ${file} is not a JSON object`)
  })

  test('redirect URIs are asked for if the flow is code', async () => {
    const client = ['--client-id=c', '--client-secret=', '--scope=x', `--iss=${issuer}`]
    const { status } = await session.run(['-w', 'code', ...client, '--no-save', 'acc'], {
      turns: [['Redirect_uris (space separated)', 'http://localhost:1 http://localhost:2']],
    })
    expect(status).toBe(0)
    expect(session.request('gen')).toMatchObject({
      flow: ['code'],
      config: { redirect_uris: ['http://localhost:1', 'http://localhost:2'] },
    })
  })

  test('--rt-env reports a variable that is not set, before the agent is asked anything', async () => {
    const { status, stderr } = await session.run(['-m', '--rt-env', 'acc'])
    expect(status).toBe(1)
    expect(stderr).toBe('Error: OIDC_REFRESH_TOKEN not set!\n')
    expect(session.asked).toEqual([])
  })
})

describe('An existing account', () => {
  const stored = {
    name: 'acc',
    client_name: 'oidc-agent:acc-elsewhere',
    issuer_url: issuer,
    client_id: 'cid',
    client_secret: 'sec',
    refresh_token: 'OLD',
    auth_scope: 'openid offline_access',
    refresh_scope: 'openid',
    cert_path: '/ca.pem',
    registration_access_token: 'RAT',
    unknown: { kept: true },
  }

  beforeEach(async () => {
    await session.accounts.write('acc', await sealAccountFile(stored, await fileKey))
  })

  test('values of an existing account are the defaults of the questions, and an empty answer keeps its password', async () => {
    const { status, stdout, terminal } = await session.run(['-m', 'acc'], {
      turns: [
        [decrypt, 'wrong'],
        [decrypt, 'pw'],
        ['Client id [cid]', ''],
        [`${secret} (for a client without one, use --client-secret='') [***]`, ''],
        ["Scopes or 'max' (space separated) [openid offline_access]", 'openid profile'],
        [`${encrypt} [***]`, ''],
      ],
    })
    expect(terminal.left).toEqual([])
    expect(status).toBe(0)
    expect(stdout).not.toContain('No account exists')
    expect(session.request('scopes')).toMatchObject({ issuer, cert_path: '/ca.pem' })
    expect(session.request('gen')).toMatchObject({
      config: {
        ...stored,
        auth_scope: 'offline_access openid profile',
        refresh_scope: '',
        issuer_url: issuer,
      },
    })
    const saved = await session.fieldsOf('acc', 'pw')
    expect(saved).toMatchObject({ refresh_token: 'NEW', unknown: { kept: true } })
  })

  test('an account that gets another client loses the registration of the previous client', async () => {
    const argv = ['--client-id=other', '--client-secret=s', '--scope=openid', 'acc']
    const { status } = await session.run(argv, {
      turns: [
        [decrypt, 'pw'],
        [encrypt, 'new'],
        ['Confirm', 'new'],
      ],
    })
    expect(status).toBe(0)
    const saved = await session.fieldsOf('acc', 'new')
    expect(saved).toMatchObject({ client_id: 'other', registration_access_token: '' })
  })

  test('--reauthenticate changes the refresh token and nothing else', async () => {
    const { status, stdout } = await session.run(['--reauthenticate', 'acc'], {
      turns: [[decrypt, 'pw']],
    })
    expect(status).toBe(0)
    expect(stdout).toContain('Everything setup correctly!')
    expect(session.request('gen')).toMatchObject({ config: { ...stored, refresh_scope: '' } })
    const saved = await session.fieldsOf('acc', 'pw')
    expect(saved).toMatchObject({ ...stored, refresh_scope: '', refresh_token: 'NEW' })
    expect(session.request('add')).toMatchObject({ plain_add: true })
  })

  test('--only-at can use the client of an existing account, whose file stays unchanged', async () => {
    const before = await session.accounts.read('acc')
    const { status, stderr } = await session.run(['--only-at', '--client-id=cid', 'acc'], {
      turns: [
        [decrypt, 'pw'],
        [secret, ''],
        ['Scopes', ''],
      ],
    })
    // This scripted agent replies as to a login for an account.
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'Error: the agent replied without a token\n',
    })
    expect(session.request('gen')).toMatchObject({
      only_at: true,
      config: { client_id: 'cid', auth_scope: 'openid' },
    })
    expect(await session.accounts.read('acc')).toBe(before)
  })
})
