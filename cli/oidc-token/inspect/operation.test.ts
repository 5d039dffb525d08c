import { describe, expect, test } from 'vitest'
import { audienceAt, computeAccess } from './access.ts'
import { type Profile, readToken, type TokenClaims } from './claims.ts'
import { type ComputeOperation, type OperationName, operationOf } from './operation.ts'

function token(claims: object): TokenClaims {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const parsed = readToken(`${part({ alg: 'ES256' })}.${part(claims)}.c2lnbmF0dXJl`)
  if (parsed === undefined) throw new Error('not a token')
  return parsed
}

describe('--for', () => {
  test.each([
    ['root://Se.Example.org//data/x', 'se.example.org', 1094, '/data/x'],
    ['root://user@se:1095//data//x/', 'se', 1095, '/data/x'],
    ['roots://se//', 'se', 1094, '/'],
    ['https://se/data/a%20b?authz=x', 'se', 443, '/data/a b'],
    ['davs://se:8443/a/../b', 'se', 8443, '/b'],
    ['https://[::1]:2880/x', '[::1]', 2880, '/x'],
  ])('%s has host %s, port %i and path %s', (url, name, port, path) => {
    expect(operationOf(url, 'read')).toMatchObject({ kind: 'storage', host: { name, port }, path })
  })

  test('a condor:// URL has the default port 9619', () => {
    expect(operationOf('condor://ce', 'submit')).toMatchObject({
      kind: 'compute',
      host: { port: 9619 },
    })
  })

  test.each([
    ['se.example.org', 'read', /is not a URL/],
    ['http://se/x', 'read', /does not begin with root/],
    ['root://se/relative', 'read', /two slashes/],
    ['https://se/%zz', 'read', /invalid percent-encoding/],
    ['https://se/x', undefined, /--op is missing: one of read/],
    ['https://se/x', 'submit', /--op 'submit' is not for this URL/],
    ['condor://ce', 'read', /--op 'read' is not for this URL: one of submit/],
  ] as const)(
    '--for=%s with --op=%s is a usage error',
    (url, op: OperationName | undefined, why) => {
      expect(() => operationOf(url, op)).toThrow(
        expect.objectContaining({ code: 'usage', message: expect.stringMatching(why) as string }),
      )
    },
  )
})

const WLCG = { 'wlcg.ver': '1.0' }
const SCITOKENS = { ver: 'scitoken:2.0' }
const ANY = 'https://wlcg.cern.ch/jwt/v1/any'

describe('an audience', () => {
  test.each([
    ['root://se.example.org//x', WLCG, 'https://se.example.org', true],
    ['root://se.example.org//x', WLCG, 'root://se.example.org:1094', true],
    ['root://se.example.org//x', WLCG, 'se.example.org:1094', true],
    ['root://se.example.org//x', WLCG, ['x', 'https://se.example.org'], true],
    ['https://se.example.org:8443/x', WLCG, 'https://se.example.org:8443', true],
    ['https://se.example.org/x', WLCG, 'https://se.example.org/', false],
    ['https://se.example.org/x', WLCG, 'HTTPS://se.example.org', false],
    ['https://se.example.org/x', WLCG, 'https://other.example.org', false],
    ['https://se.example.org/x', WLCG, undefined, false],
    ['https://se.example.org/x', {}, undefined, true],
    ['https://se.example.org/x', WLCG, ANY, true],
    ['https://se.example.org/x', WLCG, 'ANY', false],
    ['https://se.example.org/x', SCITOKENS, 'ANY', true],
    ['https://se.example.org/x', SCITOKENS, ANY, false],
  ])(
    '%s, for a token with %j: whether it accepts the audience %j is %s',
    (url, version, aud, expected) => {
      const found = audienceAt(token({ ...version, aud }), operationOf(url, 'read'))
      expect(found.ok, found.reason).toBe(expected)
    },
  )

  test.each([
    ['ce.example.org:9619', true],
    ['condor://ce.example.org:9619', false],
    ['ce.example.org', false],
    [ANY, true],
  ])('whether a computing element accepts the audience %s is %s', (aud, expected) => {
    const use = operationOf('condor://ce.example.org:9619', 'submit')
    const found = audienceAt(token({ ...WLCG, aud }), use)
    expect(found.ok, found.reason).toBe(expected)
  })

  test('the audience of --for-audience is the only one, and a near miss is reported as such', () => {
    const use = operationOf('https://se.example.org/x', 'read', 'https://own')
    const at = (aud: string): object => audienceAt(token({ ...WLCG, aud }), use)
    expect(at('https://own')).toMatchObject({ ok: true })
    expect(at('https://se.example.org')).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/another service; ask for --aud=https:\/\/own/) as string,
    })
    expect(at('https://OWN/')).toMatchObject({
      reason: expect.stringContaining('character by character') as string,
    })
  })
})

describe('operations on jobs', () => {
  const WRITE = 'compute.create compute.modify compute.cancel'
  test.each<[object, string, ComputeOperation, string | undefined]>([
    [WLCG, WRITE, 'submit', undefined],
    [WLCG, WRITE, 'remove', undefined],
    [WLCG, WRITE, 'query', 'missing scope: compute.read'],
    [WLCG, 'compute.read', 'query', undefined],
    [WLCG, 'compute.create', 'submit', 'missing scope: compute.modify compute.cancel'],
    [WLCG, 'compute.read', 'submit', 'compute.create compute.modify compute.cancel'],
    [SCITOKENS, 'condor:/WRITE', 'submit', undefined],
    [SCITOKENS, 'condor:/READ', 'submit', 'missing scope: condor:/WRITE'],
    [SCITOKENS, WRITE, 'submit', 'missing scope: condor:/WRITE'],
    [{}, WRITE, 'submit', 'mean nothing without wlcg.ver'],
    [{}, 'condor:/READ', 'query', undefined],
  ])('a token with %j and scope %s: %s needs %s', (version, scope, operation, missing) => {
    const found = computeAccess(token({ ...version, scope }), operation)
    expect(found.ok).toBe(missing === undefined)
    if (missing !== undefined) expect(found.reason).toContain(missing)
  })
})

describe('the claims of a token', () => {
  test.each<[object, Profile['kind']]>([
    [WLCG, 'wlcg'],
    [SCITOKENS, 'scitokens'],
    [{ ver: 'scitokens:2.0' }, 'scitokens'],
    [{ ...WLCG, ver: 'x' }, 'unknown'],
    [{ 'wlcg.ver': '1.3' }, 'unknown'],
    [{ 'wlcg.ver': 1 }, 'unknown'],
    [{}, 'none'],
  ])('a token with %j has the profile %s', (claims, kind) => {
    expect(token(claims).profile.kind).toBe(kind)
  })

  test.each([
    'opaque',
    'a.b',
    'e30.e30',
    'e30.W10.x',
    'e30.e30.x.y',
    'e30.e30.x.y.z',
    '!.e30.x',
    'e30..x',
  ])('%s is not a JWT', (text) => {
    expect(readToken(text)).toBeUndefined()
  })

  test('a claim of a wrong type counts as missing', () => {
    expect(token({ sub: 1, aud: 7, exp: 'x', scope: ['a'] })).toMatchObject({
      subject: undefined,
      audience: [],
      expiresAt: undefined,
      scopes: undefined,
    })
  })
})
