import { readdir } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Refusals } from '../issuer/error-responses.ts'
import type { Fault } from '../issuer/faults.ts'
import { startIssuer } from '../issuer/start-issuer.ts'
import { CliFixture } from '../support/cli-fixture.ts'
import { shown } from '../support/command.ts'

let desk: CliFixture

/** An account that has logged in; the rows below share it, as one that is in use for long. */
async function open(mode: 'conforming' | 'iam'): Promise<void> {
  desk = await CliFixture.open({ mode })
  const { id, secret = '' } = desk.issuer.addClient()
  const scope = '--scope=openid wlcg compute.read storage.read:/'
  const client = [`--client-id=${id}`, `--client-secret=${secret}`] as const
  await desk.login('wlcg', '-w', 'device', scope, ...client)
}

/** What the person reads, once `HOST` stands for the provider. */
async function told(...args: readonly string[]): Promise<string> {
  return (await desk.refusal(...args, 'wlcg')).replaceAll(hostOf(desk.issuer.origin), 'HOST')
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

describe('what goes wrong is told, and the next request is good', () => {
  beforeAll(() => open('conforming'))
  afterAll(async () => {
    await desk.checkSecrecy()
    expect((await readdir(desk.sandbox.home)).filter((name) => !name.startsWith('.'))).toEqual([])
    await desk.close()
  })
  afterEach(() => desk.token('-f', 'wlcg'))

  const rows: readonly (readonly [Fault, string | RegExp])[] = [
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
  test.each(rows)('%j', async (fault, expected) => {
    desk.issuer.fault('token', fault)
    const said = await told('-f')
    if (typeof expected === 'string') expect(said).toBe(expected)
    else expect(said).toMatch(expected)
  })

  const refusals: readonly (readonly [keyof Refusals, string])[] = [
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
  test.each(refusals)('refused: %s', async (reason, expected) => {
    desk.issuer.fault('token', { kind: 'refusal', reason, about: 'it' })
    expect(await told('-f')).toContain(expected)
  })

  test('rate limited for a second: waited for', async () => {
    desk.issuer.fault('token', { kind: 'status', status: 429, headers: { 'retry-after': '1' } })
    await desk.token('-f', 'wlcg')
  })

  test.each([
    [
      { audienceAnswered: 'elsewhere' },
      'the token is not for the audience https://here but for elsewhere',
    ],
    [{ scopeAnswered: 'openid' }, 'the provider did not grant the scope compute.read'],
  ] as const)('%j: said; with --strict refused', async (settings, difference) => {
    const { audienceAnswered, scopeAnswered } = desk.issuer.settings()
    desk.issuer.set(settings)
    const wish = ['-f', '--aud=https://here', '-s', 'compute.read'] as const
    const loose = await desk.run('oidc-token', ...wish, 'wlcg')
    expect({ status: loose.status, stderr: loose.stderr }).toEqual({
      status: 0,
      stderr: `${difference}\n`,
    })
    expect(await told('--strict', ...wish)).toBe(
      `Error: the token is not what was asked for: ${difference}\n`,
    )
    desk.issuer.set({ audienceAnswered, scopeAnswered })
  })

  test('tokens that live shorter than asked for', async () => {
    // Seconds pass between the answer and the look at it.
    const short = /the provider's tokens live 3(?:600|5\d\d) s, less than the 9000 s asked for\n$/
    const { status, stderr } = await desk.run('oidc-token', '-t', '9000', 'wlcg')
    expect(status).toBe(0)
    expect(stderr).toMatch(short)
    expect(await told('--strict', '-t', '9000')).toMatch(short)
  })

  test('a token whose expiry is in itself only is kept until then', async () => {
    desk.issuer.set({ expiresInShown: false })
    const { exp } = await desk.claims('-f', 'wlcg')
    const { stdout } = await desk.run('oidc-token', '-e', 'wlcg')
    expect(stdout).toBe(`${exp ?? 0}\n`)
    desk.issuer.set({ expiresInShown: true })
  })

  test.each([
    [600, "this machine's clock is 600 s behind the provider's"],
    [-600, "this machine's clock is 600 s ahead of the provider's"],
  ])('clocks %d s apart', async (clockOffsetSeconds, expected) => {
    desk.issuer.set({ clockOffsetSeconds })
    const { status, stderr } = await desk.run('oidc-token', '-f', 'wlcg')
    expect(status).toBe(0)
    expect(stderr).toContain(expected)
    desk.issuer.set({ clockOffsetSeconds: 0 })
  })

  test.each([
    ['expired', 'certificate has expired'],
    ['foreign', 'unable to verify the first certificate'],
    ['other host', "Hostname/IP does not match certificate's altnames"],
  ] as const)('a certificate: %s', async (choice, reason) => {
    desk.issuer.present(choice)
    await desk.issuer.down()
    await desk.issuer.up()
    const said = await told('-f')
    expect(said).toMatch(/^Error: error with ssl cert: HOST is not trusted: /)
    expect(said).toContain(reason)
    expect(said).toMatch(/subject CN=.*; issuer CN=.*; valid /)
    desk.issuer.present('good')
    await desk.issuer.down()
    await desk.issuer.up()
  })

  test('down: what is in memory is still given out', async () => {
    await desk.issuer.down()
    expect(await told('-f')).toBe(
      'Error: could not connect to url: https://HOST refused the connection (ECONNREFUSED)\n',
    )
    await desk.token('wlcg')
    await desk.issuer.up()
  })
})

describe('INDIGO IAM', () => {
  beforeAll(() => open('iam'))
  afterAll(async () => {
    await desk.checkSecrecy()
    await desk.close()
  })

  test('a policy to sign, a user suspended: the login stays good', async () => {
    desk.issuer.set({ user: 'has a policy to sign' })
    expect(await told('-f')).toMatch(
      /^Error: invalid_grant: User .* needs to sign AUP .*\nSign in at https:\/\/HOST\/? and accept its terms of use; then try again\./,
    )
    desk.issuer.set({ user: 'inactive' })
    expect(await told('-f')).toMatch(
      /^Error: unauthorized: User .* is not active\.\nThe provider has suspended/,
    )
    desk.issuer.set({ user: 'active' })
    await desk.token('-f', 'wlcg')
  })

  test('scopes that a policy drops without a word', async () => {
    desk.issuer.set({ scopesWithheld: ['storage.'] })
    const { status, stderr } = await desk.run('oidc-token', '-s', 'storage.read:/x', 'wlcg')
    expect(status).toBe(0)
    expect(stderr).toBe('the provider did not grant the scope storage.read:/x\n')
    expect(await told('--strict', '-s', 'storage.read:/y')).toContain('did not grant the scope')
    desk.issuer.set({ scopesWithheld: [] })
  })

  test('a dead refresh token: its text, which has the token in it, is shown without; a login mends it', async () => {
    const refreshToken = String((await desk.account('wlcg'))['refresh_token'])
    desk.issuer.age(40 * 86_400)
    const said = await told('-f')
    expect(said).toMatch(/^Error: invalid_token: Invalid refresh token: /)
    expect(said).toContain(relogin)
    expect(said).not.toContain(refreshToken)
    const mended = await desk.gen('wlcg', '--reauthenticate', '-w', 'device')
    expect(mended.status, shown(mended)).toBe(0)
    await desk.token('-f', 'wlcg')
  })
})

describe('logins', () => {
  beforeAll(async () => {
    desk = await CliFixture.open({ mode: 'iam' })
  })
  afterAll(() => desk.close())

  async function failed(...options: readonly string[]): Promise<string> {
    const finished = await desk.gen('new', '-w', 'device', '--scope=openid', ...options)
    expect(finished.status, shown(finished)).toBe(1)
    expect(await readdir(desk.sandbox.configDirectory)).toEqual([])
    return finished.stderr.replaceAll(hostOf(desk.issuer.origin), 'HOST')
  }

  test('another issuer in its document', async () => {
    desk.issuer.set({ issuerPublished: 'https://evil.example/' })
    expect(await failed()).toMatch(/^Error: .*evil\.example/)
    desk.issuer.set({ issuerPublished: undefined })
  })

  test('a client that nobody knows: no words come, ours do', async () => {
    expect(await failed('-m', '--client-id=nobody', '--client-secret=x')).toMatch(
      /Error: HOST answered 404 with an empty body\nProbably the OIDC client has been deleted.*oidc-gen new --iss=https:\/\/HOST/s,
    )
  })

  test('a scope that the client may not have', async () => {
    desk.issuer.fault('device', { kind: 'refusal', reason: 'deviceScope', about: 'it' })
    expect(await failed()).toMatch(/Error: invalid_scope: .*\nWe cannot .*oidc-gen -m new\n/s)
  })

  test('a provider that stumbles while the person logs in', async () => {
    desk.issuer.fault('token', { kind: 'html', status: 503 })
    desk.issuer.fault('token', { kind: 'status', status: 500, body: { error: 'server_error' } })
    await desk.login('stumbles', '-w', 'device', '--scope=openid', '--no-save')
  })

  test('a code that shows escape sequences and forged lines', async () => {
    desk.issuer.fault('device', { kind: 'hostile', except: ['device_code'] })
    const { stderr } = await desk.gen('new', '-w', 'device', '--scope=openid')
    expect(stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/)
    expect(await readdir(desk.sandbox.home)).not.toContain('pwned')
  })
})

test('a provider that hangs keeps nobody else waiting, and not for ever', async () => {
  desk = await CliFixture.open({ mode: 'conforming' })
  const other = await startIssuer({ mode: 'conforming' })
  try {
    const robot = (issuer: typeof other): readonly string[] => {
      const { id, secret = '' } = issuer.addClient()
      return [
        ...['-w', 'client_credentials', '--scope=compute.read', `--client-id=${id}`],
        ...[`--client-secret=${secret}`, `--iss=${issuer.origin}`, `--cp=${issuer.caPath}`],
      ]
    }
    await desk.login('hangs', ...robot(desk.issuer))
    await desk.login('lives', ...robot(other))
    desk.issuer.fault('token', { kind: 'hang-before-headers' })
    desk.issuer.fault('token', { kind: 'hang-after-headers' })
    const before = desk.run('oidc-token', '-f', '--aud=a', 'hangs')
    const after = desk.run('oidc-token', '-f', '--aud=b', 'hangs')
    await desk.issuer.received('token', 3)
    const startedAt = performance.now()
    await desk.token('-f', 'lives')
    await desk.token('hangs')
    expect(performance.now() - startedAt).toBeLessThan(8000)
    for (const { status, stderr } of await Promise.all([before, after])) {
      expect(status).toBe(1)
      expect(stderr).toMatch(/^Error: .*localhost:\d+.* 15 s/)
    }
    await desk.token('-f', '--aud=a', 'hangs')
  } finally {
    await desk.close()
    await other.close()
  }
})
