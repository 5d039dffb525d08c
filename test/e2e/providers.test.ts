import { afterEach, describe, expect, test } from 'vitest'
import type { IssuerOptions } from '../issuer/start-issuer.ts'
import { CliFixture } from '../support/cli-fixture.ts'
import { shown } from '../support/command.ts'

let cli: CliFixture

afterEach(async () => {
  await cli.checkSecrecy()
  await cli.close()
})

/** The options for a client that an administrator made. */
function given(secret: 'secret' | 'public' = 'secret', scope?: readonly string[]): string[] {
  const { id, secret: value = '' } = cli.issuer.addClient({
    scope,
    ...(secret === 'public' ? { secret: undefined, authMethod: 'none' } : {}),
  })
  return ['-m', `--client-id=${id}`, `--client-secret=${value}`]
}

/** Checks that the agent refuses a scope without a request to the provider. */
async function refusedHere(scope: string): Promise<void> {
  const before = cli.issuer.requestsTo('token').length
  const stderr = await cli.tokenError('-s', scope, 'wlcg')
  expect(stderr).toContain(`Error: invalid_scope: the account wlcg was not granted ${scope};`)
  expect(stderr).toContain('oidc-gen -m wlcg')
  expect(cli.issuer.requestsTo('token')).toHaveLength(before)
}

const byDevice = ['-w', 'device'] as const

describe('INDIGO IAM without configuration', () => {
  const gridScope = '--scope=compute.read storage.read:/home/alice'

  test('an account at IAM is registered, gives tokens, and is deleted with its client', async () => {
    cli = await CliFixture.open({ mode: 'iam' })
    const said = await cli.login('wlcg', ...byDevice, gridScope, '--scope=scim:read')
    expect(said).toMatch(
      /^Note: the scope wlcg was added: without it the tokens of INDIGO IAM carry no scope/m,
    )
    expect(said).toContain('The following are missing: scim:read\n')
    const { refresh_token, client_id, auth_scope } = await cli.account('wlcg')
    expect(String(auth_scope).split(' ')).not.toContain('scim:read')

    expect(await cli.claims('wlcg')).toMatchObject({
      'wlcg.ver': '1.0',
      aud: 'https://wlcg.cern.ch/jwt/v1/any',
      scope: expect.stringContaining('compute.read') as string,
    })
    expect((await cli.claims('--aud=ce.example:9619 se.example', 'wlcg')).aud).toEqual([
      'ce.example:9619',
      'se.example',
    ])
    const narrow = 'storage.read:/home/alice/data'
    expect((await cli.claims('-s', narrow, 'wlcg'))['scope']).toBe(narrow)
    await refusedHere('storage.read:/home/alicette')
    await refusedHere('storage.modify:/')

    const options = ['-d', '--confirm-yes', `--pw-file=${cli.passwordFile}`] as const
    const deleted = await cli.run('oidc-gen', ...options, 'wlcg')
    expect(deleted.status, shown(deleted)).toBe(0)
    expect(deleted.stdout).toContain('Deleted oidc client.\n')
    const revoked = cli.issuer.requestsTo('revocation').map(({ form }) => form['token'])
    expect(revoked).toEqual([refresh_token])
    expect(() => cli.issuer.client(String(client_id))).toThrow('no client')
    expect(await cli.tokenError('wlcg')).toMatch(
      /^Error: No account configured with that short name/,
    )
  })

  test('a token request at IAM can select one group of a login with wlcg.groups', async () => {
    cli = await CliFixture.open({ mode: 'iam' })
    await cli.login('wlcg', ...byDevice, '--scope=wlcg wlcg.groups')
    const group = await cli.claims('-s', 'wlcg wlcg.groups:/wlcg/pilots', 'wlcg')
    expect(group['wlcg.groups']).toContain('/wlcg/pilots')
    await refusedHere('compute.read')
  })

  test('oidc-gen names the scopes that a policy of IAM withholds at the login', async () => {
    cli = await CliFixture.open({ mode: 'iam', settings: { scopesWithheld: ['storage.'] } })
    expect(await cli.login('wlcg', ...byDevice, gridScope)).toContain(
      '\nthe provider did not grant the scope storage.read:/home/alice\n',
    )
    await cli.token('wlcg')
    const { id, secret = '' } = cli.issuer.addClient()
    const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
    const once = await cli.gen('once', ...byDevice, gridScope, ...client, '--only-at')
    expect(once.stderr).toContain('did not grant the scope storage.read:/home/alice\n')
  })

  test('oidc-gen --scope=max at IAM leaves out scopes for whole storages, except requested ones, and reports it', async () => {
    cli = await CliFixture.open({ mode: 'iam' })
    const stderr = await cli.login('wlcg', ...byDevice, '--scope=max storage.read:/')
    expect(stderr).toMatch(/^Note: 'max' leaves out storage\.create:\/ storage\.modify:\/ /m)
    expect(stderr).not.toContain('wlcg was added')
    const scope = String((await cli.account('wlcg'))['scope']).split(' ')
    expect(scope).toEqual(expect.arrayContaining(['wlcg', 'compute.create', 'storage.read:/']))
    expect(scope).not.toContain('storage.modify:/')
    expect(scope).not.toContain('scim:read')
  })

  test.each(['secret', 'public'] as const)(
    'a login at IAM succeeds with a given %s client',
    async (kind) => {
      cli = await CliFixture.open({ mode: 'iam' })
      const stderr = await cli.login('wlcg', ...byDevice, gridScope, ...given(kind))
      expect(stderr).toContain('scopes only into tokens of clients registered with the scope wlcg;')
      expect(cli.issuer.requestsTo('registration')).toEqual([])
      expect((await cli.claims('--aud=a', 'wlcg')).aud).toBe('a')
      expect((await cli.claims('-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
      await refusedHere('compute.cancel')
    },
  )
})

describe('other providers', () => {
  async function open(options: IssuerOptions): Promise<void> {
    cli = await CliFixture.open(options)
  }

  test.each(['conforming', 'rotating'] as const)(
    'a login at the provider "%s" gives tokens for an audience and for scopes',
    async (mode) => {
      await open({ mode })
      await cli.login('wlcg', ...byDevice, '--scope=max')
      expect((await cli.claims('wlcg'))['scope']).toContain('storage.read:/')
      expect((await cli.claims('--aud=https://se.example', 'wlcg')).aud).toBe('https://se.example')
      expect((await cli.claims('-f', '-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
      await refusedHere('compute.other')
    },
  )

  test('Keycloak needs an initial access token for a registration, and a requested audience that it ignores is reported', async () => {
    await open({ mode: 'keycloak' })
    const refused = await cli.gen('wlcg', ...byDevice, '--scope=max')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/^Error: insufficient_scope: .*Trusted Hosts/m)
    expect(refused.stderr).toContain('pass it by --at')

    await cli.login(
      ...([
        'wlcg',
        ...byDevice,
        '--scope=max',
        `--at=${cli.issuer.newInitialAccessToken()}`,
      ] as const),
    )
    await cli.token('wlcg')
    const ignored = await cli.run('oidc-token', '--aud=ce.example', 'wlcg')
    expect(ignored.status).toBe(0)
    expect(ignored.stderr).toBe('the token is not for the audience ce.example but for account\n')
    expect(await cli.tokenError('--strict', '--aud=ce.example', 'wlcg')).toBe(
      'Error: the token is not what was asked for: the token is not for the audience ce.example but for account\n',
    )
    expect((await cli.claims('-s', 'compute.read', 'wlcg'))['scope']).toBe('compute.read')
    await refusedHere('compute.cancel')
    cli.issuer.set({ defaultAudience: undefined })
    const withoutAudience = await cli.run('oidc-token', '-f', '--aud=ce.example', 'wlcg')
    expect(withoutAudience.stderr).toBe(
      'the token is not for the audience ce.example: it names none\n',
    )
  })

  test('a login at Google needs a given client, and its verification_url is accepted', async () => {
    await open({ mode: 'google' })
    const none = await cli.gen('wlcg', ...byDevice, '--scope=openid email')
    expect(none.status).toBe(1)
    expect(none.stderr).toMatch(/^Error: Dynamic client registration is not supported/m)
    expect(none.stderr).toContain('$ oidc-gen -m wlcg')

    await cli.login('wlcg', ...byDevice, '--scope=openid email', ...given())
    await cli.token('wlcg')
    await cli.token('-s', 'email', 'wlcg')
    await refusedHere('profile')
  })

  test('an audience at Entra is requested by the scopes of an API', async () => {
    await open({ mode: 'entra' })
    await cli.login('wlcg', ...byDevice, '--scope=openid api://store/Read', ...given('public'))
    expect((await cli.claims('wlcg')).aud).toBe('api://store')
    expect((await cli.claims('-s', 'api://store/Read', 'wlcg'))['scp']).toContain('Read')
    const rotated = cli.issuer.requestsTo('token').at(-1)
    expect(rotated?.form['scope']).toContain('offline_access')
    const queue = await cli.claims('--aud=api://queue', 'wlcg')
    expect({ aud: queue.aud, scp: queue['scp'] }).toEqual({
      aud: 'api://queue',
      scp: expect.stringMatching(/^Read\b/) as string,
    })
    // One refresh token is valid for every API that the person consented to.
    expect((await cli.claims('-s', 'api://queue/Read', 'wlcg')).aud).toBe('api://queue')
    expect(await cli.tokenError('-s', 'api://other/Read', 'wlcg')).toContain('AADSTS70011')
  })

  test('issuer.config chooses the provider profile and the audience parameter', async () => {
    await open({ mode: 'conforming' })
    await cli.knownIssuer({ provider: 'iam' })
    expect(await cli.login('wlcg', ...byDevice, '--scope=compute.read')).toContain(
      'Note: the scope wlcg was added',
    )
    const { stdout } = await cli.run('oidc-agent', '--status', '--json')
    const [account] = (JSON.parse(stdout) as { accounts: { refresh_token_expires_at: number }[] })
      .accounts
    const days = ((account?.refresh_token_expires_at ?? 0) - Date.now() / 1000) / 86_400
    expect(days).toBeGreaterThan(29)
    await cli.knownIssuer({ provider: 'iam', audience_parameter: 'both' })
    await cli.run('oidc-token', '--aud=https://se.example', 'wlcg')
    expect(cli.issuer.requestsTo('token').at(-1)?.form).toMatchObject({
      audience: 'https://se.example',
      resource: 'https://se.example',
    })
  })

  test('the public client of issuer.config is used at a provider without registration', async () => {
    await open({ mode: 'google' })
    const { id } = cli.issuer.addClient({ secret: undefined, authMethod: 'none' })
    await cli.knownIssuer({ pubclient: { client_id: id } })
    expect(await cli.login('wlcg', ...byDevice, '--scope=openid email')).toContain(
      'Try using a public client ...\n',
    )
    await cli.token('wlcg')
  })

  test('a change of legacy_aud_mode in issuer.config applies to the next token request, and the account overrides it', async () => {
    await open({ mode: 'conforming' })
    const asked = async (account: string): Promise<readonly string[]> => {
      await cli.run('oidc-token', '-f', '--aud=https://se.example', account)
      const form = cli.issuer.requestsTo('token').at(-1)?.form ?? {}
      return ['audience', 'resource'].filter((field) => field in form)
    }
    await cli.login('wlcg', ...byDevice, '--scope=openid')
    expect(await asked('wlcg')).toEqual(['audience'])
    await cli.knownIssuer({ legacy_aud_mode: false })
    expect(await asked('wlcg')).toEqual(['resource'])
    await cli.knownIssuer({ legacy_aud_mode: true })
    expect(await asked('wlcg')).toEqual(['audience'])
    // The setting of the account takes precedence.
    await cli.login('other', ...byDevice, '--scope=openid', '--audience-parameter=resource')
    expect(await asked('other')).toEqual(['resource'])
  })
})
