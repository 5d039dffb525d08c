import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newFileKey, sealAccountFile } from '../../protocol/storage/account-file.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type Answers, GenSession } from '../../test/support/gen-session.ts'

const ok = { status: 'success' } as const
/** Of the password `pw`: derived once, since each derivation takes a fifth of a second. */
const fileKey = newFileKey('pw')
const stored = {
  name: 'acc',
  client_name: 'oidc-agent:acc-host',
  issuer_url: 'https://op.example/',
  client_id: 'cid',
  refresh_token: 'RT',
  cert_path: '/ca.pem',
  unknown: [1, 'two', { three: 3 }],
}
const registered = {
  ...stored,
  registration_access_token: 'RAT',
  registration_client_uri: 'https://op.example/reg/cid',
}
const env = { OIDC_ENCRYPTION_PW: 'pw' }

let session: GenSession
afterEach(() => session.close())

/** Opens a session that has the account `acc` with the password `pw`. */
async function begin(fields: JsonObject, answers: Answers = {}): Promise<void> {
  session = await GenSession.open(answers)
  await mkdir(join(session.home, '.oidc-agent'))
  await session.accounts.write('acc', await sealAccountFile(fields, await fileKey))
  const known = [{ issuer: 'https://op.example/', accounts: ['acc', 'more'] }]
  await writeFile(join(session.home, '.oidc-agent', 'issuer.config'), JSON.stringify(known))
}

async function knownAccounts(): Promise<unknown> {
  const text = await readFile(join(session.accounts.path, 'issuer.config'), 'utf8')
  return (JSON.parse(text) as readonly JsonObject[])[0]?.['accounts']
}

describe('Account files without an agent', () => {
  beforeEach(() => begin(stored))

  test('oidc-gen -l lists the accounts', async () => {
    const { status, stdout } = await session.run(['-l'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'acc\n' })
  })

  test('oidc-gen -p prints the content of a file, given by name or path', async () => {
    const { status, stdout } = await session.run(['--pw-env', '-p', 'acc'], { env })
    expect(status).toBe(0)
    expect(stdout).toContain('{\n\t"name":\t"acc",\n')
    expect(stdout).toContain('\t"unknown":\t[1, "two", {\n\t\t\t"three":\t3\n\t\t}]')
    expect(JSON.parse(stdout)).toMatchObject(stored)
    for (const path of [join(session.accounts.path, 'acc'), '~/.oidc-agent/acc']) {
      expect((await session.run(['--pw-env', '-p', path], { env })).stdout).toBe(stdout)
    }
  })

  test('oidc-gen -p asks for the password three times', async () => {
    const question = "Enter decryption password for account config 'acc'"
    const { status, stderr, terminal } = await session.run(['-p', 'acc'], {
      turns: [
        [question, 'one'],
        [question, 'two'],
        [question, 'three'],
      ],
    })
    expect(status).toBe(1)
    expect(terminal.left).toEqual([])
    expect(stderr).toBe('wrong password\nwrong password\nError: reached maximum number of tries\n')
  })

  test('oidc-gen -p reports a damaged file before it asks for a password', async () => {
    await session.accounts.write('acc', 'half of')
    const { status, stderr } = await session.run(['-p', 'acc'], { turns: [] })
    expect(status).toBe(1)
    expect(stderr).toContain('Error: encryption malformed')
  })

  test('oidc-gen -u seals the file again with the same password', async () => {
    const before = await session.accounts.read('acc')
    const { status, stdout } = await session.run(['--pw-env', '-u', 'acc'], { env })
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'Updated config file format\n' })
    expect(await session.accounts.read('acc')).not.toBe(before)
    expect(await session.fieldsOf('acc', 'pw')).toMatchObject(stored)
  })

  test('--rename moves the account and changes nothing but its name', async () => {
    const { status, stdout } = await session.run(['--pw-env', '--rename', 'new', 'acc'], { env })
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(await session.accounts.list()).toEqual(['new'])
    expect(await session.fieldsOf('new', 'pw')).toMatchObject({ ...stored, name: 'new' })
    expect(await knownAccounts()).toEqual(['more', 'new'])
  })

  test.each([
    [['--rename', 'acc', 'acc'], "Account configuration 'acc' already exists"],
    [['--rename', 'x', 'none'], 'No account configuration found with that shortname'],
    [['--rename', '../x', 'acc'], 'must not contain slashes'],
    [['-p', 'none'], 'there is no file'],
    [['-p', './none'], 'there is no file'],
  ])('oidc-gen %j is refused', async (argv, error) => {
    const { status, stderr } = await session.run(['--pw-env', ...argv], { env })
    expect(status).toBe(1)
    expect(stderr).toContain(error)
    expect(await session.fieldsOf('acc', 'pw')).toMatchObject(stored)
  })

  test.each([
    ['--rename', 'x'],
    ['--rename', 'x', '--no-save', 'acc'],
    ['-u', 'acc', '--no-save'],
    ['-d'],
    ['--reauthenticate'],
    ['-w', 'other', 'acc'],
  ])('oidc-gen %j %j is a usage error', async (...argv) => {
    const { status, stderr } = await session.run(argv)
    expect(status).toBe(64)
    expect(stderr).toMatch(/^oidc-gen: /)
  })
})

test('--rename waits while another program makes an account of the new name, and leaves both alone', async () => {
  await begin(stored)
  let renamed: Promise<{ readonly stderr: string }> | undefined
  await session.accounts.locked('new', AbortSignal.timeout(10_000), async () => {
    renamed = session.run(['--pw-env', '--rename', 'new', 'acc'], { env })
    // The old name is locked first.
    const lock = join(session.accounts.path, '.acc.lock')
    await expect.poll(() => existsSync(lock), { timeout: 8000 }).toBe(true)
    await session.accounts.write('new', 'of another program')
  })
  expect((await renamed)?.stderr).toContain("Account configuration 'new' already exists")
  expect(await session.accounts.list()).toEqual(['acc', 'new'])
  expect(await session.accounts.read('new')).toBe('of another program')
})

test('--rename unloads the account by its old name, by which a new refresh token could not be saved', async () => {
  await begin(stored, { remove: ok })
  const { stderr } = await session.run(['--pw-env', '--rename', 'new', 'acc'], { env })
  expect(session.request('remove')).toMatchObject({ account: 'acc' })
  expect(stderr).toContain('oidc-add new')
})

describe('oidc-gen -d', () => {
  const notLoaded = { status: 'failure', error: 'account not loaded' }
  const failure = { status: 'failure', error: 'Could not revoke token: not supported' }
  const really = 'Do you really want to delete this configuration? [No/yes/quit]'
  const alsoClient = 'The used OIDC client was dynamically registered by oidc-agent.'
  const anyway = 'Delete it anyway? You must then revoke the refresh token yourself.'
  const done =
    "The generated account was successfully removed from oidc-agent. You don't have to run oidc-add.\nSuccessfully deleted account configuration.\n"

  test('-d revokes the refresh token, unloads the account, and deletes its file and its name in issuer.config', async () => {
    await begin(stored, { check: ok, delete: ok, remove: notLoaded })
    const { status, stdout } = await session.run(['--pw-env', '-d', 'acc'], {
      env,
      turns: [[really, 'yes']],
    })
    expect({ status, stdout }).toEqual({ status: 0, stdout: done })
    expect(session.asked).toEqual(['check', 'delete', 'remove'])
    expect(session.request('delete')).toMatchObject({ config: { refresh_token: 'RT' } })
    expect(await session.accounts.list()).toEqual([])
    expect(await knownAccounts()).toEqual(['more'])
  })

  test.each(['', 'y', 'no', 'quit', 'maybe'])(
    '-d deletes nothing after the answer "%s"',
    async (no) => {
      await begin(stored, { check: ok })
      const { status, stdout, stderr } = await session.run(['--pw-env', '-d', 'acc'], {
        env,
        turns: [[really, no]],
      })
      expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
      expect(stderr).toContain('Nothing was deleted.')
      expect(await session.accounts.list()).toEqual(['acc'])
    },
  )

  test('-d revokes the refresh token and deletes the client that was registered for the account', async () => {
    await begin(registered, { check: ok, delete: ok, delete_client: ok, remove: notLoaded })
    const { status, stdout } = await session.run(['--pw-env', '-d', 'acc'], {
      env,
      turns: [
        [really, 'yes'],
        [alsoClient, ''],
      ],
    })
    expect({ status, stdout }).toEqual({ status: 0, stdout: `Deleted oidc client.\n${done}` })
    expect(session.asked).toEqual(['check', 'delete', 'delete_client', 'remove'])
    expect(session.request('delete_client')).toMatchObject({
      registration_client_uri: 'https://op.example/reg/cid',
      registration_access_token: 'RAT',
      cert_path: '/ca.pem',
    })
  })

  test('-d deletes an account whose token cannot be revoked, if its client is deleted', async () => {
    await begin(registered, { check: ok, delete: failure, delete_client: ok, remove: ok })
    const { status, stderr } = await session.run(['--pw-env', '--confirm-yes', '-d', 'acc'], {
      env,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(await session.accounts.list()).toEqual([])
  })

  test('-d deletes an account whose client cannot be deleted', async () => {
    const refusal = { status: 'failure', error: 'Could not delete client: 403' }
    await begin(registered, { check: ok, delete: ok, delete_client: refusal, remove: notLoaded })
    const { status, stderr } = await session.run(['--pw-env', '--confirm-yes', '-d', 'acc'], {
      env,
    })
    expect(status).toBe(0)
    expect(stderr).toContain('Error: Could not delete client: 403')
    expect(session.asked).toEqual(['check', 'delete', 'delete_client', 'remove'])
    expect(await session.accounts.list()).toEqual([])
  })

  test.each([
    ['no', 0, ['check', 'delete', 'remove'], []],
    ['quit', 0, ['check'], ['acc']],
  ] as const)(
    '-d deletes the client only with consent, and stops at quit: %s',
    async (answer, exit, asked, left) => {
      await begin(registered, { check: ok, delete: ok, remove: ok })
      const { status } = await session.run(['--pw-env', '-d', 'acc'], {
        env,
        turns: [
          [really, 'yes'],
          [alsoClient, answer],
        ],
      })
      expect(status).toBe(exit)
      expect(session.asked).toEqual(asked)
      expect(await session.accounts.list()).toEqual(left)
    },
  )

  test('-d keeps an account whose token cannot be revoked, unless the person deletes it anyway', async () => {
    await begin(stored, { check: ok, delete: failure, remove: ok })
    const turns = (answer: string) =>
      [
        [really, 'yes'],
        [anyway, answer],
      ] as const
    const kept = await session.run(['--pw-env', '-d', 'acc'], { env, turns: turns('') })
    expect(kept.stdout).toBe('')
    expect(kept.stderr).toContain('Error: Could not revoke token: not supported')
    expect(kept.stderr).toContain('You can fix the error and try it again.')
    expect(await session.accounts.list()).toEqual(['acc'])

    const gone = await session.run(['--pw-env', '-d', 'acc'], { env, turns: turns('yes') })
    expect(gone.stdout).toBe(done)
    expect(gone.stderr).toContain('print it first with\n\t$ oidc-gen -p acc\n')
    expect(gone.stdout + gone.stderr).not.toContain('RT')
    expect(session.asked.at(-1)).toBe('remove')
    expect(await session.accounts.list()).toEqual([])
  })

  test('-d deletes an account that is not loaded', async () => {
    await begin(registered, { check: ok, delete: ok, delete_client: ok, remove: notLoaded })
    const { status } = await session.run(['--pw-env', '--confirm-yes', '-d', 'acc'], { env })
    expect(status).toBe(0)
    expect(await session.accounts.list()).toEqual([])
  })

  test('-d with --prompt=none fails and names the options that answer', async () => {
    await begin(stored, { check: ok })
    const argv = ['--pw-env', '--prompt=none', '-d', 'acc']
    const { status, stderr } = await session.run(argv, { env })
    expect(status).toBe(1)
    expect(stderr).toContain('--confirm-yes')
    expect(await session.accounts.list()).toEqual(['acc'])
  })

  test('-d reports an account that does not exist', async () => {
    await begin(stored, { check: ok })
    const { status, stderr } = await session.run(['-d', 'none'])
    expect(status).toBe(1)
    expect(stderr).toContain('Error: No account with that shortname configured\n')
    expect(stderr).toContain('oidc-gen -l\n')
  })

  test('-d needs an agent', async () => {
    await begin(stored, { check: ok })
    const { status, stderr } = await session.run(['-d', 'acc'], {
      env: { OIDC_SOCK: join(session.home, 'none') },
    })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Error: Could not connect to oidc-agent/)
  })
})
