import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliFixture } from '../support/cli-fixture.ts'
import { shown } from '../support/command.ts'
import { PASSWORD } from '../support/seed-account.ts'
import { newTestKeyPair } from '../support/signing-key.ts'

let cli: CliFixture

beforeEach(async () => {
  cli = await CliFixture.open({ mode: 'conforming' }, { CI_TOKEN: 'what-the-job-began-with' })
})

afterEach(async () => {
  await cli.checkSecrecy()
  await cli.close()
})

/** The grants of the token requests so far. */
function grants(): readonly string[] {
  return cli.issuer.requestsTo('token').map(({ form }) => form['grant_type'] ?? '')
}

/** Checks a token, an audience, and, after loading the file again, fewer scopes. */
async function works(): Promise<void> {
  await cli.token('wlcg')
  expect((await cli.claims('--aud=https://se.example', 'wlcg')).aud).toBe('https://se.example')
  expect((await cli.run('oidc-add', '-r', 'wlcg')).status).toBe(0)
  const loaded = await cli.run('oidc-add', `--pw-file=${cli.passwordFile}`, 'wlcg')
  expect(loaded.status, shown(loaded)).toBe(0)
  expect((await cli.claims('-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
}

test('the password grant uses the password once, saves it nowhere, and removes it from the command line', async () => {
  const { id, secret = '' } = cli.issuer.addClient()
  const wrong = await cli.gen(
    ...(['wlcg', '-w', 'password', '--scope=max', '--op-username=alice'] as const),
    ...['--op-password=not wonderland', `--client-id=${id}`, `--client-secret=${secret}`],
  )
  expect(wrong.status).toBe(1)
  expect(wrong.stderr).toMatch(/^Error: .*wrong user name or password/m)
  const unasked = await cli.gen(
    ...(['wlcg', '-w', 'password', '--scope=max', '--op-username=alice'] as const),
    ...[`--client-id=${id}`, `--client-secret=${secret}`],
  )
  expect(unasked.stderr).toContain("pass password to the '--op-password' option")

  cli.issuer.fault('token', { kind: 'latency', ms: 400 })
  const started = cli.startGen(
    ...(['wlcg', '-w', 'password', '--scope=max', '--op-username=alice'] as const),
    ...['--op-password=wonderland', `--client-id=${id}`, `--client-secret=${secret}`],
  )
  await cli.issuer.received('token', 2)
  if (process.platform === 'linux') {
    const line = await readFile(`/proc/${started.child.pid ?? 0}/cmdline`, 'utf8')
    expect(line).toContain('oidc-gen')
    expect(line).not.toContain('wonderland')
    expect(line).not.toContain(secret)
  }
  const finished = await started.finished
  expect(finished.status, shown(finished)).toBe(0)
  expect(finished.stderr).toContain('Warning: --op-password could be seen')
  expect(await cli.account('wlcg')).toMatchObject({ username: '', password: '' })
  await works()
  expect(grants().filter((grant) => grant === 'password')).toHaveLength(2)
})

test('an account with client credentials gets tokens without a refresh token, and keeps its grant at --reauthenticate', async () => {
  const { id, secret = '' } = cli.issuer.addClient()
  await cli.login(
    ...(['wlcg', '-w', 'client_credentials', '--scope=compute.read compute.create'] as const),
    ...[`--client-id=${id}`, `--client-secret=${secret}`],
  )
  expect(await cli.account('wlcg')).toMatchObject({
    grant: 'client_credentials',
    refresh_token: '',
    auth_scope: 'compute.read compute.create',
  })
  await works()
  expect(new Set(grants())).toEqual(new Set(['client_credentials']))
  const { stdout } = await cli.run('oidc-agent', '--status', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ accounts: [{ grant: 'client_credentials' }] })

  // No login is needed; --reauthenticate keeps the grant.
  const again = await cli.gen('wlcg', '--reauthenticate')
  expect(again.status, shown(again)).toBe(0)
  expect(grants().at(-1)).toBe('client_credentials')
  cli.issuer.set({ clientsSuspended: true })
  expect(await cli.tokenError('-f', 'wlcg')).toMatch(/^Error: invalid_client: .*suspended/)
})

describe('private_key_jwt', () => {
  test.each(['PEM', 'JWK'] as const)(
    'a client authenticates by private_key_jwt with a %s file',
    async (form) => {
      const { privateKey, publicKey } = newTestKeyPair()
      const kid = 'key-1'
      const text =
        form === 'PEM'
          ? privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
          : JSON.stringify({ ...(await exportJWK(privateKey)), kid, alg: 'ES256' })
      const file = await cli.sandbox.file('client-key', text)
      const jwk = { ...(await exportJWK(publicKey)), ...(form === 'JWK' ? { kid } : {}) }
      const { id } = cli.issuer.addClient({
        authMethod: 'private_key_jwt',
        secret: undefined,
        jwks: { keys: [jwk] },
      })
      await cli.login(
        ...(['wlcg', '-w', 'client_credentials', '--scope=compute.read'] as const),
        ...[`--client-id=${id}`, `--private-key=${file}`],
      )
      await works()
      const [first, second] = cli.issuer.requestsTo('token').map(({ form: sent }) => sent)
      expect(first?.['client_assertion']).not.toBe(second?.['client_assertion'])
      expect(await readFile(join(cli.sandbox.configDirectory, 'wlcg'), 'utf8')).not.toContain(text)
    },
  )

  test('a missing private key file is reported before any request to the provider', async () => {
    const finished = await cli.gen('wlcg', '--client-id=x', '--private-key=/none/key')
    expect(finished.status).toBe(1)
    expect(finished.stderr).toContain('Error: there is no file /none/key')
    expect(cli.issuer.requests).toEqual([])
  })
})

describe('token exchange', () => {
  test('the subject token file is read for each token exchange', async () => {
    const { id, secret = '' } = cli.issuer.addClient()
    const file = await cli.sandbox.file('ci-token', await cli.issuer.platformToken('job-1'))
    await cli.login(
      ...(['wlcg', '-w', 'token-exchange', '--scope=compute.read storage.read:/'] as const),
      ...[`--client-id=${id}`, `--client-secret=${secret}`, `--subject-token-file=${file}`],
    )
    expect(await cli.account('wlcg')).toMatchObject({
      grant: 'token-exchange',
      subject_token_file: file,
      refresh_token: '',
    })
    await works()
    const renewed = await cli.issuer.platformToken('job-2')
    await cli.sandbox.file('ci-token', `${renewed}\n`)
    await cli.token('-f', 'wlcg')
    expect(cli.issuer.requestsTo('token').at(-1)?.form['subject_token']).toBe(renewed)

    await cli.sandbox.file('ci-token', await cli.issuer.platformToken('job-3', -60))
    expect(await cli.tokenError('-f', 'wlcg')).toMatch(/^Error: .*subject_token/)
    await cli.sandbox.file('ci-token', '')
    expect(await cli.tokenError('-f', 'wlcg')).toBe(
      `Error: no token to exchange for the account wlcg in ${file}\n` +
        'Name the file or the variable in which the platform provides the token:\n\t$ oidc-gen --subject-token-file or --subject-token-env\nStart the agent with that variable set.\n',
    )
    await cli.sandbox.file('ci-token', renewed)
    await cli.token('-f', 'wlcg')
  })

  test('the subject token can come from a variable of the agent, and a missing one is reported', async () => {
    const { id, secret = '' } = cli.issuer.addClient()
    const options = ['-w', 'token-exchange', '--scope=compute.read', '--no-save'] as const
    const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
    const none = await cli.gen('wlcg', ...options, ...client)
    expect(none.status).toBe(64)
    expect(none.stderr).toContain('--subject-token-source, --subject-token-env or')

    const unset = await cli.gen('wlcg', ...options, ...client, '--subject-token-env=NO_TOKEN')
    expect(unset.status).toBe(1)
    expect(unset.stderr).toContain("in the agent's environment variable NO_TOKEN")
    const bad = await cli.gen('wlcg', ...options, ...client, '--subject-token-env=CI_TOKEN')
    expect(bad.status).toBe(1)
    expect(cli.issuer.requestsTo('token').at(-1)?.form).toMatchObject({
      subject_token: 'what-the-job-began-with',
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    })
    expect(await readdir(cli.sandbox.configDirectory)).toEqual([])
  })
})

test('oidc-gen --rt-env makes an account from a refresh token of another login', async () => {
  const { id, secret = '' } = cli.issuer.addClient()
  const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
  await cli.login('first', '-w', 'device', '--scope=max', ...client)
  const { refresh_token } = await cli.account('first')
  const env = { OIDC_REFRESH_TOKEN: String(refresh_token), OIDC_ENCRYPTION_PW: PASSWORD }
  const { origin, caPath } = cli.issuer
  const moved = await cli.sandbox.run(
    'oidc-gen',
    [
      ...['--rt-env', '--pw-env', '--prompt=none', `--iss=${origin}`, `--cp=${caPath}`],
      ...['--scope=max', ...client, 'wlcg'],
    ],
    { env },
  )
  expect(moved.status, shown(moved)).toBe(0)
  await works()
})
