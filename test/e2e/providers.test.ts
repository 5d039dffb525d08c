import { afterEach, describe, expect, test } from 'vitest'
import type { IssuerOptions } from '../issuer/start-issuer.ts'
import { CliFixture } from '../support/cli-fixture.ts'
import { shown } from '../support/command.ts'

let desk: CliFixture

afterEach(async () => {
  await desk.checkSecrecy()
  await desk.close()
})

/** The options that name a client made by hand. */
function given(secret: 'secret' | 'public' = 'secret', scope?: readonly string[]): string[] {
  const { id, secret: value = '' } = desk.issuer.addClient({
    scope,
    ...(secret === 'public' ? { secret: undefined, authMethod: 'none' } : {}),
  })
  return ['-m', `--client-id=${id}`, `--client-secret=${value}`]
}

/** Scopes are refused here, by name, and not by the provider. */
async function refusedHere(scope: string): Promise<void> {
  const before = desk.issuer.requestsTo('token').length
  const stderr = await desk.refusal('-s', scope, 'wlcg')
  expect(stderr).toContain(`Error: invalid_scope: the account wlcg was not granted ${scope};`)
  expect(stderr).toContain('oidc-gen -m wlcg')
  expect(desk.issuer.requestsTo('token')).toHaveLength(before)
}

const byDevice = ['-w', 'device'] as const

describe('INDIGO IAM, with nothing set by hand', () => {
  const gridScope = '--scope=compute.read storage.read:/home/alice'

  test('registered, used, deleted', async () => {
    desk = await CliFixture.open({ mode: 'iam' })
    const said = await desk.login('wlcg', ...byDevice, gridScope, '--scope=scim:read')
    expect(said).toMatch(
      /^Note: the scope wlcg was added: without it the tokens of INDIGO IAM carry no scope/m,
    )
    expect(said).toContain('The following are missing: scim:read\n')
    const { refresh_token, client_id, auth_scope } = await desk.account('wlcg')
    expect(String(auth_scope).split(' ')).not.toContain('scim:read')

    expect(await desk.claims('wlcg')).toMatchObject({
      'wlcg.ver': '1.0',
      aud: 'https://wlcg.cern.ch/jwt/v1/any',
      scope: expect.stringContaining('compute.read') as string,
    })
    expect((await desk.claims('--aud=ce.example:9619 se.example', 'wlcg')).aud).toEqual([
      'ce.example:9619',
      'se.example',
    ])
    const narrow = 'storage.read:/home/alice/data'
    expect((await desk.claims('-s', narrow, 'wlcg'))['scope']).toBe(narrow)
    await refusedHere('storage.read:/home/alicette')
    await refusedHere('storage.modify:/')

    const options = ['-d', '--confirm-yes', `--pw-file=${desk.passwordFile}`] as const
    const deleted = await desk.run('oidc-gen', ...options, 'wlcg')
    expect(deleted.status, shown(deleted)).toBe(0)
    expect(deleted.stdout).toContain('Deleted oidc client.\n')
    const revoked = desk.issuer.requestsTo('revocation').map(({ form }) => form['token'])
    expect(revoked).toEqual([refresh_token])
    expect(() => desk.issuer.client(String(client_id))).toThrow('no client')
    expect(await desk.refusal('wlcg')).toMatch(/^Error: No account configured with that short name/)
  })

  test('one group of those the login was for', async () => {
    desk = await CliFixture.open({ mode: 'iam' })
    await desk.login('wlcg', ...byDevice, '--scope=wlcg wlcg.groups')
    const group = await desk.claims('-s', 'wlcg wlcg.groups:/wlcg/pilots', 'wlcg')
    expect(group['wlcg.groups']).toContain('/wlcg/pilots')
    await refusedHere('compute.read')
  })

  test('scopes that a policy takes away at the login are named', async () => {
    desk = await CliFixture.open({ mode: 'iam', settings: { scopesWithheld: ['storage.'] } })
    expect(await desk.login('wlcg', ...byDevice, gridScope)).toContain(
      '\nthe provider did not grant the scope storage.read:/home/alice\n',
    )
    await desk.token('wlcg')
    const { id, secret = '' } = desk.issuer.addClient()
    const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
    const once = await desk.gen('once', ...byDevice, gridScope, ...client, '--only-at')
    expect(once.stderr).toContain('did not grant the scope storage.read:/home/alice\n')
  })

  test("'max' leaves out whole storages and says so; what is asked by name stays", async () => {
    desk = await CliFixture.open({ mode: 'iam' })
    const stderr = await desk.login('wlcg', ...byDevice, '--scope=max storage.read:/')
    expect(stderr).toMatch(/^Note: 'max' leaves out storage\.create:\/ storage\.modify:\/ /m)
    expect(stderr).not.toContain('wlcg was added')
    const scope = String((await desk.account('wlcg'))['scope']).split(' ')
    expect(scope).toEqual(expect.arrayContaining(['wlcg', 'compute.create', 'storage.read:/']))
    expect(scope).not.toContain('storage.modify:/')
    expect(scope).not.toContain('scim:read')
  })

  test.each(['secret', 'public'] as const)('a given client: %s', async (kind) => {
    desk = await CliFixture.open({ mode: 'iam' })
    const stderr = await desk.login('wlcg', ...byDevice, gridScope, ...given(kind))
    expect(stderr).toContain('scopes only into tokens of clients registered with the scope wlcg;')
    expect(desk.issuer.requestsTo('registration')).toEqual([])
    expect((await desk.claims('--aud=a', 'wlcg')).aud).toBe('a')
    expect((await desk.claims('-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
    await refusedHere('compute.cancel')
  })
})

describe('others', () => {
  async function open(options: IssuerOptions): Promise<void> {
    desk = await CliFixture.open(options)
  }

  test.each(['conforming', 'rotating'] as const)('%s', async (mode) => {
    await open({ mode })
    await desk.login('wlcg', ...byDevice, '--scope=max')
    expect((await desk.claims('wlcg'))['scope']).toContain('storage.read:/')
    expect((await desk.claims('--aud=https://se.example', 'wlcg')).aud).toBe('https://se.example')
    expect((await desk.claims('-f', '-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
    await refusedHere('compute.other')
  })

  test('Keycloak: registration by initial access token; what it ignores is said', async () => {
    await open({ mode: 'keycloak' })
    const refused = await desk.gen('wlcg', ...byDevice, '--scope=max')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/^Error: insufficient_scope: .*Trusted Hosts/m)
    expect(refused.stderr).toContain('pass it by --at')

    await desk.login(
      ...([
        'wlcg',
        ...byDevice,
        '--scope=max',
        `--at=${desk.issuer.newInitialAccessToken()}`,
      ] as const),
    )
    await desk.token('wlcg')
    const ignored = await desk.run('oidc-token', '--aud=ce.example', 'wlcg')
    expect(ignored.status).toBe(0)
    expect(ignored.stderr).toBe('the token is not for the audience ce.example but for account\n')
    expect(await desk.refusal('--strict', '--aud=ce.example', 'wlcg')).toBe(
      'Error: the token is not what was asked for: the token is not for the audience ce.example but for account\n',
    )
    expect((await desk.claims('-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
    await refusedHere('compute.cancel')
    desk.issuer.set({ defaultAudience: undefined })
    const nobody = await desk.run('oidc-token', '-f', '--aud=ce.example', 'wlcg')
    expect(nobody.stderr).toBe('the token is not for the audience ce.example: it names none\n')
  })

  test('Google: a client made at its console, a code at the old name', async () => {
    await open({ mode: 'google' })
    const none = await desk.gen('wlcg', ...byDevice, '--scope=openid email')
    expect(none.status).toBe(1)
    expect(none.stderr).toMatch(/^Error: Dynamic client registration is not supported/m)
    expect(none.stderr).toContain('$ oidc-gen -m wlcg')

    await desk.login('wlcg', ...byDevice, '--scope=openid email', ...given())
    await desk.token('wlcg')
    await desk.token('-s', 'email', 'wlcg')
    await refusedHere('profile')
  })

  test('Entra: an audience is the beginning of scopes', async () => {
    await open({ mode: 'entra' })
    await desk.login('wlcg', ...byDevice, '--scope=openid api://store/Read', ...given('public'))
    expect((await desk.claims('wlcg')).aud).toBe('api://store')
    expect((await desk.claims('-s', 'api://store/Read', 'wlcg'))['scp']).toContain('Read')
    const rotated = desk.issuer.requestsTo('token').at(-1)
    expect(rotated?.form['scope']).toContain('offline_access')
    const queue = await desk.claims('--aud=api://queue', 'wlcg')
    expect({ aud: queue.aud, scp: queue['scp'] }).toEqual({
      aud: 'api://queue',
      scp: expect.stringMatching(/^Read\b/) as string,
    })
    // One refresh token is good for every API that was consented to.
    expect((await desk.claims('-s', 'api://queue/Read', 'wlcg')).aud).toBe('api://queue')
    expect(await desk.refusal('-s', 'api://other/Read', 'wlcg')).toContain('AADSTS70011')
  })

  test('a provider that is what issuer.config says it is', async () => {
    await open({ mode: 'conforming' })
    await desk.knownIssuer({ provider: 'iam' })
    expect(await desk.login('wlcg', ...byDevice, '--scope=compute.read')).toContain(
      'Note: the scope wlcg was added',
    )
    const { stdout } = await desk.run('oidc-agent', '--status', '--json')
    const [account] = (JSON.parse(stdout) as { accounts: { refresh_token_expires_at: number }[] })
      .accounts
    const days = ((account?.refresh_token_expires_at ?? 0) - Date.now() / 1000) / 86_400
    expect(days).toBeGreaterThan(29)
    await desk.knownIssuer({ provider: 'iam', audience_parameter: 'both' })
    await desk.run('oidc-token', '--aud=https://se.example', 'wlcg')
    expect(desk.issuer.requestsTo('token').at(-1)?.form).toMatchObject({
      audience: 'https://se.example',
      resource: 'https://se.example',
    })
  })

  test('a public client steps in where nobody may register', async () => {
    await open({ mode: 'google' })
    const { id } = desk.issuer.addClient({ secret: undefined, authMethod: 'none' })
    await desk.knownIssuer({ pubclient: { client_id: id } })
    expect(await desk.login('wlcg', ...byDevice, '--scope=openid email')).toContain(
      'Try using a public client ...\n',
    )
    await desk.token('wlcg')
  })

  test('an audience is asked for as issuer.config says, from the next request on', async () => {
    await open({ mode: 'conforming' })
    const asked = async (account: string): Promise<readonly string[]> => {
      await desk.run('oidc-token', '-f', '--aud=https://se.example', account)
      const form = desk.issuer.requestsTo('token').at(-1)?.form ?? {}
      return ['audience', 'resource'].filter((field) => field in form)
    }
    await desk.login('wlcg', ...byDevice, '--scope=openid')
    expect(await asked('wlcg')).toEqual(['audience'])
    await desk.knownIssuer({ legacy_aud_mode: false })
    expect(await asked('wlcg')).toEqual(['resource'])
    await desk.knownIssuer({ legacy_aud_mode: true })
    expect(await asked('wlcg')).toEqual(['audience'])
    // The account's own word counts more.
    await desk.login('other', ...byDevice, '--scope=openid', '--audience-parameter=resource')
    expect(await asked('other')).toEqual(['resource'])
  })
})
