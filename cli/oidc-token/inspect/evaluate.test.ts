import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../protocol/wire/messages.ts'
import { newSigningKey } from '../../../test/support/signing-key.ts'
import { CLAIM_CASES, SCOPE_CASES, type Verdict } from '../../../test/xrootd/cases.ts'
import { ALL_OPERATIONS, type Operation } from '../../../test/xrootd/operations.ts'
import { AUDIENCE } from '../../../test/xrootd/site.ts'
import type { CheckName } from './checks.ts'
import { readToken, type TokenClaims } from './claims.ts'
import { evaluate } from './inspect.ts'
import { operationOf, type StorageOperation } from './operation.ts'
import { signatureBy } from './signature.ts'

/*
 * The cases of test/xrootd have what a real XRootD 5.5.3 does with a token, which a test there verifies.
 * The checks must predict the same.
 */

const NOW = Math.floor(Date.now() / 1000)
const key = newSigningKey()
const publicKey = { ...key.jwk, d: undefined }

/** A token as of `newToken` in the XRootD tests. */
function token(claims: object, header = {}): TokenClaims {
  const good = {
    iss: 'https://issuer.example.org',
    sub: 'alice',
    aud: AUDIENCE,
    scope: 'storage.read:/',
    'wlcg.ver': '1.0',
    iat: NOW,
    nbf: NOW,
    exp: NOW + 600,
    jti: 'a',
  }
  const parsed = readToken(key.sign({ ...good, ...claims }, header))
  if (parsed === undefined) throw new Error('not a token')
  return parsed
}

/** The first check that a token fails. */
async function failedCheck(
  claims: TokenClaims,
  op: StorageOperation,
  url: string,
): Promise<CheckName | 'none'> {
  const checks = evaluate(claims, operationOf(url, op, AUDIENCE), NOW)
  const signature = await signatureBy(
    claims,
    JSON.parse(JSON.stringify({ keys: [publicKey] })) as JsonObject,
  )
  return [...checks, signature].find((check) => !check.ok)?.name ?? 'none'
}

/** The operations of the XRootD tests by their names on the command line, and their paths. */
const asked: Readonly<Record<Operation, readonly [op: StorageOperation, path: string]>> = {
  'root read': ['read', '/public/hello.txt'],
  'root stat': ['stat', '/public/hello.txt'],
  'root list': ['list', '/public'],
  'root write new': ['create', '/public/new.txt'],
  'root overwrite': ['overwrite', '/public/hello.txt'],
  'root remove': ['delete', '/public/hello.txt'],
  'root mkdir': ['mkdir', '/public/dir'],
  'root rename': ['rename', '/public/hello.txt'],
  'https get': ['read', '/public/hello.txt'],
  'https head': ['stat', '/public/hello.txt'],
  'https list': ['list', '/public'],
  'https put new': ['create', '/public/new.txt'],
  'https overwrite': ['overwrite', '/public/hello.txt'],
  'https delete': ['delete', '/public/hello.txt'],
  'https mkcol': ['mkdir', '/public/dir'],
  'https move': ['rename', '/public/hello.txt'],
}

function urlOf(operation: Operation, path: string): string {
  return operation.startsWith('root')
    ? `root://se.example.org:11094/${path}`
    : `https://se.example.org:11094${path}`
}

describe.each(SCOPE_CASES)('scope $scope', ({ scope, permits }) => {
  test.each(ALL_OPERATIONS)(`the scope ${scope} permits %s as in XRootD`, async (operation) => {
    const [op, path] = asked[operation]
    expect(await failedCheck(token({ scope }), op, urlOf(operation, path))).toBe(
      permits.includes(operation) ? 'none' : 'access',
    )
  })
})

/** The check that fails for each verdict of XRootD. */
const names: Readonly<Record<Verdict, CheckName | 'none'>> = {
  accepted: 'none',
  'not covered by its scopes': 'access',
  'no scope': 'scope',
  'scope not a string': 'scope',
  'another audience': 'audience',
  'no audience': 'audience',
  'no subject': 'subject',
  'not valid now': 'expires',
  'no expiry': 'expires',
  'no issue time': 'issued',
  'no start of validity': 'starts',
  'unknown profile version': 'profile',
  'profile version not a string': 'profile',
  'another issuer': 'issuer',
  'no issuer': 'issuer',
  'unknown key': 'signature',
  'another algorithm': 'algorithm',
}

/** The cases whose result differs, on purpose. */
const otherwise: Readonly<Record<string, CheckName | 'none'>> = {
  // This XRootD accepts it, services that follow the profile do not.
  'a scope whose path is a prefix of the text, compared as text until XRootD 5.6.9': 'access',
  'a scope whose path is such a prefix with a slash at its end, which is cut off': 'access',
  'a scope without a path, which counts as / against the profile': 'access',
  'a scope whose path has no first slash, which is added against the profile': 'access',
  'a scope whose path contains .., which is resolved against the profile': 'access',
  // The same verdict with a more exact reason.
  'a token that is not valid yet': 'starts',
  'a token issued in the future': 'issued',
  'an empty scope': 'scope',
  // Only the site knows which issuers it trusts.
  'a token of another issuer': 'none',
}

describe.each(CLAIM_CASES)('$title', ({ title, claims = {}, header, path, verdict }) => {
  test.each(['root read', 'https get'] as const)(
    `${title}: %s is ${verdict}`,
    async (operation) => {
      const url = urlOf(operation, path ?? '/public/hello.txt')
      expect(await failedCheck(token(claims, header), 'read', url)).toBe(
        otherwise[title] ?? names[verdict],
      )
    },
  )
})

test('every case with another result is a case of the XRootD tests', () => {
  const titles = CLAIM_CASES.map(({ title }) => title)
  expect(Object.keys(otherwise).filter((title) => !titles.includes(title))).toEqual([])
})
