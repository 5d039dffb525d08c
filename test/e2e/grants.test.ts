import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliFixture, PASSWORD } from '../support/cli-fixture.ts'
import { shown } from '../support/command.ts'
import { newTestKeyPair } from '../support/key-pair.ts'

let desk: CliFixture

beforeEach(async () => {
  desk = await CliFixture.open({ mode: 'conforming' }, { CI_TOKEN: 'what the job began with' })
})

afterEach(async () => {
  await desk.checkSecrecy()
  await desk.close()
})

/** The grants of the token requests so far. */
function grants(): readonly string[] {
  return desk.issuer.requestsTo('token').map(({ form }) => form['grant_type'] ?? '')
}

/** The whole of it: a token, an audience, fewer scopes, after loading the file anew. */
async function works(): Promise<void> {
  await desk.token('wlcg')
  expect((await desk.claims('--aud=https://se.example', 'wlcg')).aud).toBe('https://se.example')
  expect((await desk.run('oidc-add', '-r', 'wlcg')).status).toBe(0)
  const loaded = await desk.run('oidc-add', `--pw-file=${desk.passwordFile}`, 'wlcg')
  expect(loaded.status, shown(loaded)).toBe(0)
  expect((await desk.claims('-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
}

test('password: asked once, kept nowhere, off the command line', async () => {
  const { id, secret = '' } = desk.issuer.addClient()
  const wrong = await desk.gen(
    ...(['wlcg', '-w', 'password', '--scope=max', '--op-username=alice'] as const),
    ...['--op-password=not wonderland', `--client-id=${id}`, `--client-secret=${secret}`],
  )
  expect(wrong.status).toBe(1)
  expect(wrong.stderr).toMatch(/^Error: .*wrong user name or password/m)
  const unasked = await desk.gen(
    ...(['wlcg', '-w', 'password', '--scope=max', '--op-username=alice'] as const),
    ...[`--client-id=${id}`, `--client-secret=${secret}`],
  )
  expect(unasked.stderr).toContain("pass password to the '--op-password' option")

  desk.issuer.fault('token', { kind: 'latency', ms: 400 })
  const started = desk.startGen(
    ...(['wlcg', '-w', 'password', '--scope=max', '--op-username=alice'] as const),
    ...['--op-password=wonderland', `--client-id=${id}`, `--client-secret=${secret}`],
  )
  await desk.issuer.received('token', 2)
  if (process.platform === 'linux') {
    const line = await readFile(`/proc/${started.child.pid ?? 0}/cmdline`, 'utf8')
    expect(line).toContain('oidc-gen')
    expect(line).not.toContain('wonderland')
    expect(line).not.toContain(secret)
  }
  const finished = await started.finished
  expect(finished.status, shown(finished)).toBe(0)
  expect(finished.stderr).toContain('Warning: --op-password could be seen')
  expect(await desk.account('wlcg')).toMatchObject({ username: '', password: '' })
  await works()
  expect(grants().filter((grant) => grant === 'password')).toHaveLength(2)
})

test('client credentials: a robot, which has no refresh token', async () => {
  const { id, secret = '' } = desk.issuer.addClient()
  await desk.login(
    ...(['wlcg', '-w', 'client_credentials', '--scope=compute.read compute.create'] as const),
    ...[`--client-id=${id}`, `--client-secret=${secret}`],
  )
  expect(await desk.account('wlcg')).toMatchObject({
    grant: 'client_credentials',
    refresh_token: '',
    auth_scope: 'compute.read compute.create',
  })
  await works()
  expect(new Set(grants())).toEqual(new Set(['client_credentials']))
  const { stdout } = await desk.run('oidc-agent', '--status', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ accounts: [{ grant: 'client_credentials' }] })

  // Nobody need log in again; where it is said all the same, the grant stays.
  const again = await desk.gen('wlcg', '--reauthenticate')
  expect(again.status, shown(again)).toBe(0)
  expect(grants().at(-1)).toBe('client_credentials')
  desk.issuer.set({ clientsSuspended: true })
  expect(await desk.refusal('-f', 'wlcg')).toMatch(/^Error: invalid_client: .*suspended/)
})

describe('private_key_jwt', () => {
  test.each(['PEM', 'JWK'] as const)('a key as %s', async (form) => {
    const { privateKey, publicKey } = newTestKeyPair()
    const kid = 'key-1'
    const text =
      form === 'PEM'
        ? privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
        : JSON.stringify({ ...(await exportJWK(privateKey)), kid, alg: 'ES256' })
    const file = await desk.sandbox.file('client-key', text)
    const jwk = { ...(await exportJWK(publicKey)), ...(form === 'JWK' ? { kid } : {}) }
    const { id } = desk.issuer.addClient({
      authMethod: 'private_key_jwt',
      secret: undefined,
      jwks: { keys: [jwk] },
    })
    await desk.login(
      ...(['wlcg', '-w', 'client_credentials', '--scope=compute.read'] as const),
      ...[`--client-id=${id}`, `--private-key=${file}`],
    )
    await works()
    const [first, second] = desk.issuer.requestsTo('token').map(({ form: sent }) => sent)
    expect(first?.['client_assertion']).not.toBe(second?.['client_assertion'])
    expect(await readFile(join(desk.sandbox.configDirectory, 'wlcg'), 'utf8')).not.toContain(text)
  })

  test('a key that is not there is told before anything is asked', async () => {
    const finished = await desk.gen('wlcg', '--client-id=x', '--private-key=/none/key')
    expect(finished.status).toBe(1)
    expect(finished.stderr).toContain('Error: there is no file /none/key')
    expect(desk.issuer.requests).toEqual([])
  })
})

describe('token exchange', () => {
  test('a job: the token of its platform is read anew for each exchange', async () => {
    const { id, secret = '' } = desk.issuer.addClient()
    const file = await desk.sandbox.file('ci-token', await desk.issuer.platformToken('job-1'))
    await desk.login(
      ...(['wlcg', '-w', 'token-exchange', '--scope=compute.read storage.read:/'] as const),
      ...[`--client-id=${id}`, `--client-secret=${secret}`, `--subject-token-file=${file}`],
    )
    expect(await desk.account('wlcg')).toMatchObject({
      grant: 'token-exchange',
      subject_token_file: file,
      refresh_token: '',
    })
    await works()
    const renewed = await desk.issuer.platformToken('job-2')
    await desk.sandbox.file('ci-token', `${renewed}\n`)
    await desk.token('-f', 'wlcg')
    expect(desk.issuer.requestsTo('token').at(-1)?.form['subject_token']).toBe(renewed)

    await desk.sandbox.file('ci-token', await desk.issuer.platformToken('job-3', -60))
    expect(await desk.refusal('-f', 'wlcg')).toMatch(/^Error: .*subject_token/)
    await desk.sandbox.file('ci-token', '')
    expect(await desk.refusal('-f', 'wlcg')).toBe(
      `Error: no token to exchange for the account wlcg in ${file}\n` +
        'Name the file or the variable in which the platform provides the token:\n\t$ oidc-gen --subject-token-file or --subject-token-env\nStart the agent with that variable set.\n',
    )
    await desk.sandbox.file('ci-token', renewed)
    await desk.token('-f', 'wlcg')
  })

  test('from a variable of the agent; what is missing is told', async () => {
    const { id, secret = '' } = desk.issuer.addClient()
    const options = ['-w', 'token-exchange', '--scope=compute.read', '--no-save'] as const
    const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
    const none = await desk.gen('wlcg', ...options, ...client)
    expect(none.status).toBe(64)
    expect(none.stderr).toContain('--subject-token-source, --subject-token-env or')

    const unset = await desk.gen('wlcg', ...options, ...client, '--subject-token-env=NO_TOKEN')
    expect(unset.status).toBe(1)
    expect(unset.stderr).toContain("in the agent's environment variable NO_TOKEN")
    const bad = await desk.gen('wlcg', ...options, ...client, '--subject-token-env=CI_TOKEN')
    expect(bad.status).toBe(1)
    expect(desk.issuer.requestsTo('token').at(-1)?.form).toMatchObject({
      subject_token: 'what the job began with',
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    })
    expect(await readdir(desk.sandbox.configDirectory)).toEqual([])
  })
})

test('a refresh token from elsewhere', async () => {
  const { id, secret = '' } = desk.issuer.addClient()
  const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
  await desk.login('first', '-w', 'device', '--scope=max', ...client)
  const { refresh_token } = await desk.account('first')
  const env = { OIDC_REFRESH_TOKEN: String(refresh_token), OIDC_ENCRYPTION_PW: PASSWORD }
  const { origin, caPath } = desk.issuer
  const moved = await desk.sandbox.run(
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
