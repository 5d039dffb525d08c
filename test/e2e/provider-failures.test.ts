import { readdir } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Fault } from '../issuer/faults.ts'
import type { ErrorResponses } from '../issuer/response.ts'
import { startIssuer } from '../issuer/start-issuer.ts'
import { CliFixture } from '../support/cli-fixture.ts'
import { shown } from '../support/command.ts'

let cli: CliFixture

/** Logs in once; the cases below share the account. */
async function open(mode: 'conforming' | 'iam'): Promise<void> {
  cli = await CliFixture.open({ mode })
  const { id, secret = '' } = cli.issuer.addClient()
  const scope = '--scope=openid wlcg compute.read storage.read:/'
  const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
  await cli.login('wlcg', '-w', 'device', scope, ...client)
}

/** The error of oidc-token, with `HOST` in place of the provider's host. */
async function reportedError(...args: readonly string[]): Promise<string> {
  return (await cli.tokenError(...args, 'wlcg')).replaceAll(hostOf(cli.issuer.origin), 'HOST')
}

function hostOf(origin: string): string {
  return new URL(origin).host
}

const relogin =
  'Most likely the refresh token expired. To create a new one, just run:\n\t$ oidc-gen wlcg --reauthenticate\n'
const tooOften = 'Too many requests from this account, client or network. Try again later.\n'
const broken =
  'The provider failed. Try again later. If the failure persists, report it to the administrators of the provider.\n'
const later = 'The provider is overloaded or under maintenance. Try again later.\n'

describe('faults of the token endpoint', () => {
  beforeAll(() => open('conforming'))
  afterAll(async () => {
    await cli.checkSecrecy()
    expect((await readdir(cli.sandbox.home)).filter((name) => !name.startsWith('.'))).toEqual([])
    await cli.close()
  })
  afterEach(() => cli.token('-f', 'wlcg'))

  const cases: readonly (readonly [Fault, string | RegExp])[] = [
    [{ kind: 'status', status: 500 }, `Error: HOST answered 500 with an empty body\n${broken}`],
    [
      { kind: 'status', status: 500, body: { error: 'server_error' } },
      `Error: server_error\n${broken}`,
    ],
    [
      { kind: 'status', status: 500, body: 'oops' },
      /^Error: HOST answered 500 with a body without a content type/,
    ],
    [
      { kind: 'status', status: 502, body: '<html>' },
      new RegExp(`^Error: HOST answered 502 .*\\n${later}$`),
    ],
    [
      {
        kind: 'status',
        status: 503,
        body: { error: 'temporarily_unavailable', error_description: 'maintenance until noon' },
      },
      `Error: temporarily_unavailable: maintenance until noon\n${later}`,
    ],
    [
      { kind: 'status', status: 429, headers: { 'retry-after': '120' } },
      `Error: HOST answered 429 with an empty body (retry after 120 s)\n${tooOften}`,
    ],
    [{ kind: 'html' }, 'Error: HOST answered 200 with text/html instead of JSON\n'],
    [{ kind: 'truncated-json' }, 'Error: HOST answered 200 with JSON that cannot be used\n'],
    [{ kind: 'huge-body' }, 'Error: HOST answered with more than 1 MiB\n'],
    [
      { kind: 'redirect' },
      /^Error: HOST answered 307 with a redirect to https:\/\/HOST, which is not followed/,
    ],
    [
      { kind: 'reset' },
      'Error: could not connect to url: https://HOST cut the connection (ECONNRESET)\n',
    ],
    [
      { kind: 'reset-after-headers' },
      /^Error: could not connect to url: https:\/\/HOST cut the connection/,
    ],
    [
      { kind: 'without', members: ['access_token'] },
      /^Error: HOST sent a response that cannot be used/,
    ],
    // Commands, escape sequences and line ends in every string there is.
    [{ kind: 'hostile' }, /^Error: HOST sent a response that cannot be used[\x20-\x7e]*\n$/],
    [
      {
        kind: 'status',
        status: 400,
        body: { error: 'invalid_grant', error_description: '\u001b[2J$(touch pwned)' },
      },
      `Error: invalid_grant: [2J$(touch pwned)\n${relogin}`,
    ],
  ]
  test.each(cases)(
    'the fault %j is reported, and the next request succeeds',
    async (fault, expected) => {
      cli.issuer.fault('token', fault)
      const said = await reportedError('-f')
      if (typeof expected === 'string') expect(said).toBe(expected)
      else expect(said).toMatch(expected)
    },
  )

  const errorResponses: readonly (readonly [keyof ErrorResponses, string])[] = [
    ['refreshTokenDead', `Error: invalid_grant: unknown, revoked or expired\n${relogin}`],
    [
      'userInactive',
      'Error: invalid_grant: the account is disabled\nThe provider has suspended this user',
    ],
    ['policyUnsigned', 'Error: interaction_required: a policy waits for a signature\n'],
    [
      'clientSuspended',
      'Error: invalid_client: client it is suspended\nThe provider has suspended this client',
    ],
    [
      'clientUnknown',
      'Error: invalid_client: unknown client it\nProbably the OIDC client has been deleted.',
    ],
    [
      'clientMayNot',
      'Error: unauthorized_client: not for this client: it\nThe client may not use this grant type',
    ],
    [
      'scopeTooWide',
      'Error: invalid_scope: not granted: it\nWe cannot get these scopes with the current',
    ],
    [
      'resourceNotGranted',
      'Error: invalid_target: resource was not granted\nThe provider gives this account no',
    ],
  ]
  test.each(errorResponses)(
    'the error response %s is reported, and the next request succeeds',
    async (reason, expected) => {
      cli.issuer.fault('token', { kind: 'error-response', reason, about: 'it' })
      expect(await reportedError('-f')).toContain(expected)
    },
  )

  test('a 429 with a Retry-After of one second is retried', async () => {
    cli.issuer.fault('token', { kind: 'status', status: 429, headers: { 'retry-after': '1' } })
    await cli.token('-f', 'wlcg')
  })

  test.each([
    [
      { audienceReturned: 'elsewhere' },
      'the token is not for the audience https://here but for elsewhere',
    ],
    [{ scopeReturned: 'openid' }, 'the provider did not grant the scope compute.read'],
  ] as const)(
    'a token response with %j is reported, and an error with --strict',
    async (settings, difference) => {
      const { audienceReturned, scopeReturned } = cli.issuer.settings()
      cli.issuer.set(settings)
      const wish = ['-f', '--aud=https://here', '-s', 'compute.read'] as const
      const loose = await cli.run('oidc-token', ...wish, 'wlcg')
      expect({ status: loose.status, stderr: loose.stderr }).toEqual({
        status: 0,
        stderr: `${difference}\n`,
      })
      expect(await reportedError('--strict', ...wish)).toBe(
        `Error: the token is not what was asked for: ${difference}\n`,
      )
      cli.issuer.set({ audienceReturned, scopeReturned })
    },
  )

  test('a shorter lifetime than requested is reported, and an error with --strict', async () => {
    // Seconds pass between the response and the check.
    const short = /the provider's tokens live 3(?:600|5\d\d) s, less than the 9000 s asked for\n$/
    const { status, stderr } = await cli.run('oidc-token', '-t', '9000', 'wlcg')
    expect(status).toBe(0)
    expect(stderr).toMatch(short)
    expect(await reportedError('--strict', '-t', '9000')).toMatch(short)
  })

  test('the expiry of a token without expires_in is its exp', async () => {
    cli.issuer.set({ expiresInShown: false })
    const { exp } = await cli.claims('-f', 'wlcg')
    const { stdout } = await cli.run('oidc-token', '-e', 'wlcg')
    expect(stdout).toBe(`${exp ?? 0}\n`)
    cli.issuer.set({ expiresInShown: true })
  })

  test.each([
    [600, "this machine's clock is 600 s behind the provider's"],
    [-600, "this machine's clock is 600 s ahead of the provider's"],
  ])('a clock skew of %d s is reported', async (clockOffsetSeconds, expected) => {
    cli.issuer.set({ clockOffsetSeconds })
    const { status, stderr } = await cli.run('oidc-token', '-f', 'wlcg')
    expect(status).toBe(0)
    expect(stderr).toContain(expected)
    cli.issuer.set({ clockOffsetSeconds: 0 })
  })

  test.each([
    ['expired', 'certificate has expired'],
    ['foreign', 'unable to verify the first certificate'],
    ['other host', "Hostname/IP does not match certificate's altnames"],
  ] as const)(
    'the certificate "%s" of the provider is refused with "%s"',
    async (choice, reason) => {
      cli.issuer.present(choice)
      await cli.issuer.down()
      await cli.issuer.up()
      const said = await reportedError('-f')
      expect(said).toMatch(/^Error: error with ssl cert: HOST is not trusted: /)
      expect(said).toContain(reason)
      expect(said).toMatch(/subject CN=.*; issuer CN=.*; valid /)
      cli.issuer.present('good')
      await cli.issuer.down()
      await cli.issuer.up()
    },
  )

  test('a cached token is returned while the provider cannot be reached', async () => {
    await cli.issuer.down()
    expect(await reportedError('-f')).toBe(
      'Error: could not connect to url: https://HOST refused the connection (ECONNREFUSED)\n',
    )
    await cli.token('wlcg')
    await cli.issuer.up()
  })
})

describe('INDIGO IAM', () => {
  beforeAll(() => open('iam'))
  afterAll(async () => {
    await cli.checkSecrecy()
    await cli.close()
  })

  test('the refresh token survives a policy to sign and a suspended user', async () => {
    cli.issuer.set({ user: 'has a policy to sign' })
    expect(await reportedError('-f')).toMatch(
      /^Error: invalid_grant: User .* needs to sign AUP .*\nSign in at https:\/\/HOST\/? and accept its terms of use; then try again\./,
    )
    cli.issuer.set({ user: 'inactive' })
    expect(await reportedError('-f')).toMatch(
      /^Error: unauthorized: User .* is not active\.\nThe provider has suspended/,
    )
    cli.issuer.set({ user: 'active' })
    await cli.token('-f', 'wlcg')
  })

  test('scopes that IAM silently drops are reported, and an error with --strict', async () => {
    cli.issuer.set({ scopesWithheld: ['storage.'] })
    const { status, stderr } = await cli.run('oidc-token', '-s', 'storage.read:/x', 'wlcg')
    expect(status).toBe(0)
    expect(stderr).toBe('the provider did not grant the scope storage.read:/x\n')
    expect(await reportedError('--strict', '-s', 'storage.read:/y')).toContain(
      'did not grant the scope',
    )
    cli.issuer.set({ scopesWithheld: [] })
  })

  test('a dead refresh token is reported without the token in the text of IAM, and a new login replaces it', async () => {
    const refreshToken = String((await cli.account('wlcg'))['refresh_token'])
    cli.issuer.age(40 * 86_400)
    const said = await reportedError('-f')
    expect(said).toMatch(/^Error: invalid_token: Invalid refresh token: /)
    expect(said).toContain(relogin)
    expect(said).not.toContain(refreshToken)
    const mended = await cli.gen('wlcg', '--reauthenticate', '-w', 'device')
    expect(mended.status, shown(mended)).toBe(0)
    await cli.token('-f', 'wlcg')
  })
})

describe('failing logins', () => {
  beforeAll(async () => {
    cli = await CliFixture.open({ mode: 'iam' })
  })
  afterAll(() => cli.close())

  async function failed(...options: readonly string[]): Promise<string> {
    const finished = await cli.gen('new', '-w', 'device', '--scope=openid', ...options)
    expect(finished.status, shown(finished)).toBe(1)
    expect(await readdir(cli.sandbox.configDirectory)).toEqual([])
    return finished.stderr.replaceAll(hostOf(cli.issuer.origin), 'HOST')
  }

  test('a login fails if the discovery document names another issuer', async () => {
    cli.issuer.set({ issuerPublished: 'https://evil.example/' })
    expect(await failed()).toMatch(/^Error: .*evil\.example/)
    cli.issuer.set({ issuerPublished: undefined })
  })

  test('a login with an unknown client is reported with a hint, although the response of IAM is empty', async () => {
    expect(await failed('-m', '--client-id=nobody', '--client-secret=x')).toMatch(
      /Error: HOST answered 404 with an empty body\nProbably the OIDC client has been deleted.*oidc-gen new --iss=https:\/\/HOST/s,
    )
  })

  test('a login with a scope that the client may not have is reported with a hint', async () => {
    cli.issuer.fault('device', { kind: 'error-response', reason: 'deviceScope', about: 'it' })
    expect(await failed()).toMatch(/Error: invalid_scope: .*\nWe cannot .*oidc-gen -m new\n/s)
  })

  test('a login by device code survives temporary errors of the polls', async () => {
    cli.issuer.fault('token', { kind: 'html', status: 503 })
    cli.issuer.fault('token', { kind: 'status', status: 500, body: { error: 'server_error' } })
    await cli.login('stumbles', '-w', 'device', '--scope=openid', '--no-save')
  })

  test('escape sequences and commands in a device authorization response are removed', async () => {
    cli.issuer.fault('device', { kind: 'hostile', except: ['device_code'] })
    const { stderr } = await cli.gen('new', '-w', 'device', '--scope=openid')
    expect(stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/)
    expect(await readdir(cli.sandbox.home)).not.toContain('pwned')
  })
})

test('a provider that hangs does not delay other accounts, and its requests end after 15 s', async () => {
  cli = await CliFixture.open({ mode: 'conforming' })
  const other = await startIssuer({ mode: 'conforming' })
  try {
    const robot = (issuer: typeof other): readonly string[] => {
      const { id, secret = '' } = issuer.addClient()
      return [
        ...['-w', 'client_credentials', '--scope=compute.read', `--client-id=${id}`],
        ...[`--client-secret=${secret}`, `--iss=${issuer.origin}`, `--cp=${issuer.caPath}`],
      ]
    }
    await cli.login('hangs', ...robot(cli.issuer))
    await cli.login('lives', ...robot(other))
    cli.issuer.fault('token', { kind: 'hang-before-headers' })
    cli.issuer.fault('token', { kind: 'hang-after-headers' })
    const before = cli.run('oidc-token', '-f', '--aud=a', 'hangs')
    const after = cli.run('oidc-token', '-f', '--aud=b', 'hangs')
    await cli.issuer.received('token', 3)
    const startedAt = performance.now()
    await cli.token('-f', 'lives')
    await cli.token('hangs')
    expect(performance.now() - startedAt).toBeLessThan(8000)
    for (const { status, stderr } of await Promise.all([before, after])) {
      expect(status).toBe(1)
      expect(stderr).toMatch(/^Error: .*localhost:\d+.* 15 s/)
    }
    await cli.token('-f', '--aud=a', 'hangs')
  } finally {
    await cli.close()
    await other.close()
  }
})
