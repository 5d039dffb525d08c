import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type ScriptedAgent, scriptedAgent } from '../../test/support/scripted-agent.ts'
import { newSigningKey } from '../../test/support/signing-key.ts'
import { type ExitOutcome, run } from '../run.ts'
import { testIo } from '../test-io.ts'
import { getToken } from './oidc-token.ts'
import { oidcToken } from './options.ts'

const uid = process.getuid?.() ?? 0
const now = Math.floor(Date.now() / 1000)
const key = newSigningKey()
const publicKey = { ...key.jwk, d: undefined }
const good = {
  iss: 'https://issuer.example/',
  sub: 'alice',
  aud: 'https://se.example.org',
  scope: 'storage.read:/data compute.read',
  'wlcg.ver': '1.0',
  'wlcg.groups': ['/wlcg'],
  iat: now - 60,
  nbf: now - 60,
  exp: now + 3600,
}
const TOKEN = key.sign(good)

let directory: string
let agent: ScriptedAgent
let keys: JsonObject | string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inspect-'))
  keys = JSON.stringify({ status: 'success', jwks: { keys: [publicKey] } })
  agent = await scriptedAgent(({ request }) => {
    if (request === 'jwks') return keys
    const answer = { status: 'success', issuer: good.iss, info: 'scope differs: x' }
    return request === 'id_token'
      ? { ...answer, id_token: TOKEN }
      : { ...answer, access_token: TOKEN, expires_at: good.exp }
  })
})

afterEach(async () => {
  await agent.close()
  await rm(directory, { recursive: true })
})

interface Given {
  readonly env?: Record<string, string>
  readonly stdin?: string
}

async function inspected(
  argv: readonly string[],
  { env = {}, stdin = '' }: Given = {},
): Promise<{ status: ExitOutcome; stdout: string; stderr: string }> {
  const io = testIo({
    argv: ['--inspect', ...argv],
    env: { HOME: directory, XDG_RUNTIME_DIR: directory, OIDC_SOCK: agent.path, ...env },
  })
  const status = await run(oidcToken, (args) => getToken(args, io, () => piped(stdin)), io)
  return { status, stdout: io.stdout.text, stderr: io.stderr.text }
}

async function* piped(text: string): AsyncGenerator<Buffer> {
  for (const character of text) yield await Promise.resolve(Buffer.from(character))
}

function file(name: string, text: string): Promise<void> {
  return writeFile(join(directory, name), text)
}

describe('--inspect finds a token', () => {
  test('--inspect gets the token of an account with the options of the command line', async () => {
    const said = await inspected(['wlcg', '--aud=a', '-s', 'b', '-s', 'c', '-f', '--name=x'])
    expect(said).toMatchObject({ status: 0, stderr: 'scope differs: x\n' })
    expect(said.stdout).toMatch(/^Token from +wlcg\nSubject +alice\n/)
    expect(agent.requests).toEqual([
      {
        request: 'access_token',
        account: 'wlcg',
        audience: 'a',
        scope: 'b c',
        application_hint: 'x',
        min_valid_period: -1,
      },
    ])
    expect((await inspected(['--id-token', 'https://issuer.example'])).status).toBe(0)
    expect(agent.requests[1]).toMatchObject({ request: 'id_token' })
  })

  test('--inspect without an account reads the first place of token discovery that is not empty', async () => {
    const from = async (env: Record<string, string>): Promise<string | undefined> =>
      /^Token from +(\S+)$/m.exec((await inspected([], { env })).stdout)?.[1]
    const found = join(directory, `bt_u${uid}`)
    await file(`bt_u${uid}`, `\n ${TOKEN}\v\f\n`)
    expect(await from({})).toBe(found)
    await file('named', `${TOKEN}\n`)
    const named = join(directory, 'named')
    expect(await from({ BEARER_TOKEN_FILE: named })).toBe(named)
    expect(await from({ BEARER_TOKEN_FILE: named, BEARER_TOKEN: ` ${TOKEN}\n` })).toBe(
      '$BEARER_TOKEN',
    )
    // Empty or missing counts as not set.
    expect(await from({ BEARER_TOKEN_FILE: named, BEARER_TOKEN: ' \n' })).toBe(named)
    expect(await from({ BEARER_TOKEN_FILE: join(directory, 'missing') })).toBe(found)
    await file('named', '\n')
    expect(await from({ BEARER_TOKEN_FILE: named })).toBe(found)
  })

  test('--inspect reads a bare token or JSON from a file or stdin, without the agent', async () => {
    const json = JSON.stringify({ access_token: TOKEN, expires_in: 1199.9 })
    await file('wlcg.use', json)
    expect((await inspected(['--token-file', join(directory, 'wlcg.use')])).status).toBe(0)
    for (const stdin of [`${TOKEN}\n`, json]) {
      expect((await inspected(['-'], { stdin })).stdout).toContain('Token from   stdin\n')
    }
    expect(agent.requests).toEqual([])
  })

  test.each<[string, readonly string[], Given, RegExp]>([
    [
      'a variable without a token',
      [],
      { env: { BEARER_TOKEN: 'a b' } },
      /\$BEARER_TOKEN: it holds no/,
    ],
    ['an empty stdin', ['-'], {}, /stdin: it is empty/],
    ['an endless stdin', ['-'], { stdin: 'x'.repeat(70_000) }, /more than 65536 bytes/],
    [
      'a missing file',
      ['--token-file=/nonexistent/x'],
      {},
      /\/nonexistent\/x: there is no such file/,
    ],
    ['a directory', ['--token-file=/'], {}, /\/ cannot be read: EISDIR/],
    ['an opaque token', ['-'], { stdin: 'opaque' }, /from stdin is not a signed JWT/],
  ])('--inspect fails for %s, and does not print what it read', async (_what, argv, given, why) => {
    const said = await inspected(argv, given)
    expect(said).toMatchObject({ status: 1, stdout: '' })
    expect(said.stderr).toMatch(why)
    expect(said.stderr).not.toContain('opaque')
  })

  test.each([
    [['-o', 'wlcg'], /the token is not printed/],
    [['--file', 'wlcg'], /the token is not printed/],
    [['--file-stop'], /the token is not printed/],
    [['--token-file=x', 'wlcg'], /not both/],
    [['--op=read', 'wlcg'], /go with --for/],
    [['--for=https://x/y', 'wlcg'], /--op is missing/],
    [['--for=https://x/y', '--op=fly', 'wlcg'], /--op: 'fly' is not one of read/],
  ])('--inspect with %j is a usage error', async (argv, why) => {
    const said = await inspected(argv)
    expect(said).toMatchObject({ status: 64, stdout: '' })
    expect(said.stderr).toMatch(why)
    expect(agent.requests).toEqual([])
  })
})

describe('--inspect shows a token', () => {
  test('--inspect shows the claims of a token, and neither the token nor its signature', async () => {
    const { stdout } = await inspected(['-'], { stdin: TOKEN })
    expect(stdout).toMatch(
      /^Subject +alice\nIssuer +https:\/\/issuer\.example\/\nAudience +https:/m,
    )
    expect(stdout).toMatch(/^Scopes +storage\.read:\/data +read files below \/data\n +compute/m)
    expect(stdout).toMatch(/^Valid until +20\S+Z \((59 min \d+ s|1 h) left\)$/m)
    const [, , signature = ''] = TOKEN.split('.')
    expect(stdout).not.toContain(signature)
    expect(stdout).not.toContain('\n\n')
  })

  test.each([
    [{}, /^Profile +none \(neither/m],
    [{ ver: 'scitoken:2.0' }, /^Profile +SciTokens 2.0$/m],
    [{ ver: 'x' }, /^Profile +ver is "x"/m],
    [{}, /^Subject +none .*\nIssuer +none .*\nAudience +none\nProfile.*\nScopes +none$/m],
    [
      { nbf: now + 1000 },
      /^Issued +not given\nValid from +\S+ \(in 1\d min [^)]*\)\nValid until +not given/m,
    ],
    [{ exp: now - 7200 }, /^Valid until .*\(expired 2 h( \d+ s)? ago\)$/m],
  ])('--inspect describes the claims %j', async (claims, line) => {
    const stdin = key.sign(claims)
    expect((await inspected(['-'], { stdin })).stdout).toMatch(line)
  })

  test('--inspect lets no claim move the cursor or begin a line of its own', async () => {
    const stdin = key.sign({ sub: 'a\u001b[2J\nok  signature', iss: '\u202ereversed\u2028x' })
    const { stdout } = await inspected(['-'], { stdin })
    expect(stdout).toContain('a?[2J?ok  signature')
    expect(stdout).not.toMatch(/[\u001b\u202e\u2028]|^ok/m)
  })

  test('--inspect --json escapes control and format characters of claims', async () => {
    const sub = 'a\u001b[2J\u009b1m\u202etxt\u2028\u200d\u007f'
    const { stdout } = await inspected(['--json', '-'], { stdin: key.sign({ sub }) })
    expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    expect(JSON.parse(stdout)).toMatchObject({ subject: sub, claims: { sub } })
  })

  test('--inspect --json prints the report as JSON', async () => {
    const argv = ['--json', '--for=https://se.example.org/data/x', '--op=read', '-']
    const { stdout, status } = await inspected(argv, { stdin: TOKEN })
    expect(status).toBe(0)
    const report = JSON.parse(stdout) as JsonObject
    expect(report).toMatchObject({
      from: 'stdin',
      header: { alg: 'ES256' },
      claims: good,
      profile: 'wlcg',
      subject: 'alice',
      audience: ['https://se.example.org'],
      scopes: [{ scope: 'storage.read:/data', meaning: 'read files below /data' }, {}],
      groups: ['/wlcg'],
      expires_at: good.exp,
      for: { url: 'https://se.example.org/data/x', op: 'read' },
      ok: true,
    })
    expect(stdout).not.toContain(TOKEN.split('.')[2] ?? '')
    const bare: unknown = JSON.parse(
      (await inspected(['--json', '-'], { stdin: key.sign({}) })).stdout,
    )
    expect(bare).toMatchObject({ subject: null, scopes: [], seconds_left: null })
    expect(bare).not.toHaveProperty('ok')
  })
})

describe('--verify', () => {
  const verified = (stdin: string, ...more: readonly string[]): ReturnType<typeof inspected> =>
    inspected(['--verify', ...more, '-'], { stdin })

  test('--verify checks the signature with keys from the agent, which gets only the issuer', async () => {
    const { stdout, status } = await verified(TOKEN)
    expect(stdout).toMatch(/^ok +signature +by key wlcg-1 of the issuer$/m)
    expect(stdout).not.toContain('not ok')
    expect(status).toBe(0)
    expect(agent.requests).toEqual([{ request: 'jwks', issuer: good.iss }])
  })

  test.each<[string, string, RegExp]>([
    ['a changed claim', changed(TOKEN), /it does not match key wlcg-1 of the issuer/],
    ['another key', key.sign(good, { kid: 'x' }), /the issuer does not publish key x/],
    ['no signature', key.sign(good, { alg: 'none' }), /not RS256 or ES256/],
    ['an unknown critical extension', key.sign(good, { crit: ['x'], x: 1 }), /cannot be checked/],
    ['no issuer', key.sign({ ...good, iss: undefined }), /the token names no issuer/],
  ])('--verify reports a token with %s', async (_what, token, why) => {
    const { stdout, status } = await verified(token)
    expect(stdout).toMatch(new RegExp(`^not ok +signature +.*${why.source}`, 'm'))
    expect(status).toBe(1)
  })

  test('--verify fails for a token without kid if the issuer has several keys', async () => {
    const unnamed = { ...publicKey, kid: undefined }
    keys = JSON.stringify({ status: 'success', jwks: { keys: [unnamed, unnamed] } })
    const { stdout } = await verified(key.sign(good, { kid: undefined }))
    expect(stdout).toMatch(/^not ok +signature +no kid, and the issuer has more than one key$/m)
  })

  test('--verify without an agent reports the signature as unchecked, and makes all other checks', async () => {
    const env = { OIDC_SOCK: '/nonexistent/agent' }
    const said = await inspected(['--verify', '-'], { stdin: TOKEN, env })
    expect(said.status).toBe(1)
    expect(said.stdout).toMatch(/^not ok +signature +could not be checked: Could not connect/m)
    expect(said.stdout.match(/^not ok/gm)).toHaveLength(1)
    expect(said.stdout).toMatch(/^ok +expires/m)
  })

  test.each<[object, string, RegExp]>([
    [{ 'wlcg.ver': undefined }, 'profile', /neither wlcg.ver nor ver/],
    [{ iss: 'http://x' }, 'issuer', /not an https URL/],
    [{ sub: '' }, 'subject', /no sub/],
    [{ aud: [] }, 'audience', /ask for one with --aud/],
    [{ iat: now + 100 }, 'issued', /only from/],
    [{ exp: now - 100 }, 'expires', /expired 1 min 4\d s ago/],
    [{ scope: undefined }, 'scope', /the groups count only where/],
    [{ scope: undefined, 'wlcg.groups': undefined }, 'scope', /no scope/],
    [{ scope: 'storage.read storage.create:x' }, 'paths', /no path.*does not begin with/],
    [{ long: 'x'.repeat(4000) }, 'size', /at most 4096/],
  ])(
    '--verify of a token with the claims %j fails only the check %s',
    async (claims, name, why) => {
      const { stdout, status } = await verified(key.sign({ ...good, ...claims }))
      expect(stdout).toMatch(new RegExp(`^not ok +${name} +.*${why.source}`, 'm'))
      expect(stdout.match(/^not ok/gm), stdout).toHaveLength(1)
      expect(status).toBe(1)
    },
  )

  test('--verify with --for makes each check once', async () => {
    const more = ['--for=root://se.example.org//data/x', '--op=delete']
    const { stdout, status } = await verified(TOKEN, ...more)
    const names = [...stdout.matchAll(/^(?:not )?ok +(\w+)/gm)].map(([, name]) => name)
    expect(names).toEqual([...new Set(names)])
    expect(stdout).toMatch(/^not ok +access +missing scope: storage.modify:\/data\/x$/m)
    expect(stdout).toMatch(/^This token will not work for: delete root:\S+ \(access\)$/m)
    expect(status).toBe(1)
  })
})

describe('--for', () => {
  test.each([
    ['https://se.example.org/data/x', 'read', 0, /^This token should work for: read https:/m],
    ['https://se.example.org/database', 'read', 1, /storage.read:\/data only begins like it/],
    ['https://se.example.org/other', 'read', 1, /storage.read:\/data is for another path/],
    ['https://other.example.org/data', 'stat', 1, /not ok +audience +https:\S+: another service/],
    ['condor://se.example.org', 'query', 1, /ask for --aud=se.example.org:9619/],
  ])('--for=%s --op=%s ends with status %i', async (url, op, status, text) => {
    const said = await inspected([`--for=${url}`, '--op', op, '-'], { stdin: TOKEN })
    expect(said.status).toBe(status)
    expect(said.stdout).toMatch(text)
    expect(agent.requests).toEqual([])
  })

  test('--for-audience gives the audience of the service', async () => {
    const argv = ['--for=https://door7/data/x', '--op=read', `--for-audience=${good.aud}`, '-']
    expect((await inspected(argv, { stdin: TOKEN })).status).toBe(0)
  })
})

/** The token with another payload under the same signature. */
function changed(token: string): string {
  const [head = '', , signature = ''] = token.split('.')
  const claims = Buffer.from(JSON.stringify({ ...good, sub: 'root' })).toString('base64url')
  return `${head}.${claims}.${signature}`
}
