import { expect, test } from 'vitest'
import { parseCeiling } from '../../protocol/wire/ceiling.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { unsignedToken } from '../../test/support/access-token.ts'
import { assertWithinCeiling, withinOneCeiling } from './ceilings.ts'
import { requestedToken } from './granted-scope.ts'

const STORAGE = 'a&scopes=storage.read:/x,openid&audience=se.example,https://ce.example:9619'
const COMPUTE = 'a&scopes=compute.read'
const ALL = 'a&scopes=*'

function within(limits: readonly string[], scope?: string, audience?: string): string {
  const asked = requestedToken(scope, audience)
  try {
    const { ceiling, requested } = withinOneCeiling(limits.map(parseCeiling), asked)
    const number = limits.findIndex(
      (limit) => parseCeiling(limit).scopes.toString() === ceiling.scopes.toString(),
    )
    return `${number}: ${requested.scopes.join(' ')} @ ${requested.audiences.join(' ')}`
  } catch (error) {
    if (error instanceof AgentError) return error.code
    throw error
  }
}

const forbidden = 'operation-forbidden'

test('the error of a request beyond the ceiling says what does not fit', () => {
  const asked = requestedToken('compute.read', undefined)
  expect(() => withinOneCeiling([parseCeiling(STORAGE)], asked)).toThrow(
    expect.objectContaining({
      code: forbidden,
      hint: 'The restricted socket does not allow this combination of scopes and audiences.',
    }),
  )
})

test.each<[limits: string[], scope: string | undefined, audience: string | undefined, string]>([
  // What is left out is that of the ceiling.
  [
    [STORAGE],
    undefined,
    undefined,
    '0: storage.read:/x openid @ se.example https://ce.example:9619',
  ],
  [[STORAGE], 'openid', undefined, '0: openid @ se.example https://ce.example:9619'],
  [[STORAGE], undefined, 'se.example', '0: storage.read:/x openid @ se.example'],
  [[COMPUTE], undefined, undefined, '0: compute.read @ '],
  [[ALL], undefined, undefined, '0:  @ '],
  // Less than the ceiling.
  [
    [STORAGE],
    'storage.read:/x/y',
    'https://ce.example:9619',
    '0: storage.read:/x/y @ https://ce.example:9619',
  ],
  [[STORAGE], 'storage.read:/x/', 'se.example', '0: storage.read:/x/ @ se.example'],
  [[ALL], 'anything:at/all', undefined, '0: anything:at/all @ '],
  // More than the ceiling.
  [[STORAGE], 'storage.read:/', 'se.example', forbidden],
  [[STORAGE], 'storage.read:/xy', 'se.example', forbidden],
  [[STORAGE], 'storage.read:/x/../z', 'se.example', forbidden],
  [[STORAGE], 'storage.read:/x/%2e%2e/z', 'se.example', forbidden],
  [[STORAGE], 'storage.read', 'se.example', forbidden],
  [[STORAGE], 'storage.modify:/x', 'se.example', forbidden],
  [[STORAGE], 'openid compute.read', undefined, forbidden],
  [[STORAGE], 'openid offline_access', undefined, forbidden],
  [[STORAGE], 'openid', 'other.example', forbidden],
  [[STORAGE], 'openid', 'se.example other.example', forbidden],
  [[COMPUTE], undefined, 'se.example', forbidden],
  [[ALL], undefined, 'se.example', forbidden],
  // Several ceilings: one of them, no mixing.
  [[STORAGE, COMPUTE], 'compute.read', undefined, '1: compute.read @ '],
  [
    [STORAGE, COMPUTE],
    undefined,
    undefined,
    '0: storage.read:/x openid @ se.example https://ce.example:9619',
  ],
  [[STORAGE, COMPUTE], 'compute.read', 'se.example', forbidden],
  [[STORAGE, COMPUTE], 'compute.read openid', undefined, forbidden],
  [[], undefined, undefined, forbidden],
])('%j with scope %j and audience %j: %s', (limits, scope, audience, expected) => {
  expect(within(limits, scope, audience)).toBe(expected)
})

const narrow: JsonObject = { scope: 'openid', aud: 'se.example' }

test.each<[limit: string, claims: JsonObject]>([
  [STORAGE, narrow],
  [STORAGE, { scope: 'storage.read:/x/y openid', aud: ['se.example'] }],
  [STORAGE, { scope: ['openid'], aud: ['se.example', 'https://ce.example:9619'] }],
  [STORAGE, { scp: ['openid', 'storage.read:/x'], aud: 'se.example' }],
  [STORAGE, { scope: 'openid  storage.read:/x', scp: 'openid  openid', aud: 'se.example' }],
  [STORAGE, { scp: 'openid storage.read:/x', aud: 'se.example' }],
  [COMPUTE, { scope: 'compute.read' }],
  [ALL, { scope: 'whatever:/ offline_access' }],
  [ALL, {}],
])('%s allows a token with the claims %j', (limit, claims) => {
  expect(() => {
    assertWithinCeiling(unsignedToken(claims), parseCeiling(limit))
  }).not.toThrow()
})

function hintOf(token: string, limit: string): string | undefined {
  try {
    assertWithinCeiling(token, parseCeiling(limit))
    return 'allowed'
  } catch (error) {
    if (error instanceof AgentError && error.code === forbidden) return error.hint
    throw error
  }
}

test.each<[limit: string, claims: JsonObject, hint: string]>([
  [STORAGE, { ...narrow, scope: 'openid compute.read' }, 'granted the scope compute.read'],
  [
    STORAGE,
    { ...narrow, scope: 'openid compute.read compute.create' },
    'granted the scope compute.read compute.create, which',
  ],
  [STORAGE, { scope: 'openid', aud: ['x', 'y'] }, 'for the audience x y, which'],
  [STORAGE, { ...narrow, scope: 'storage.read:/' }, 'granted the scope storage.read:/'],
  [STORAGE, { ...narrow, scope: 'openid offline_access' }, 'granted the scope offline_access'],
  [STORAGE, { ...narrow, scp: ['compute.read'] }, 'granted the scope compute.read'],
  [STORAGE, { ...narrow, scope: ['openid', 7] }, 'granted the scope 7'],
  [STORAGE, { aud: 'se.example' }, 'does not contain its scopes'],
  [STORAGE, { scope: 'openid' }, 'a token without an audience'],
  [STORAGE, { scope: 'openid', aud: ['se.example', 'x'] }, 'for the audience x'],
  [STORAGE, { scope: 'openid', aud: 'https://wlcg.cern.ch/jwt/v1/any' }, 'jwt/v1/any'],
  [COMPUTE, { scope: 'compute.read', aud: 'account' }, 'for the audience account'],
  [ALL, { aud: 'account' }, 'for the audience account'],
])('%s refuses a token with the claims %j', (limit, claims, hint) => {
  expect(hintOf(unsignedToken(claims), limit)).toContain(hint)
})

test.each([
  'opaque',
  'a.b',
  'a.b.c',
  `a.${Buffer.from('[]').toString('base64url')}.c`,
  'a.b.c.d.e',
  unsignedToken(narrow).split('.').slice(0, 2).join('.'),
  `${unsignedToken(narrow)}.d`,
  `${unsignedToken(narrow)}.d.e`,
])('a token that is no JWT is refused, whatever is allowed: %s', (token) => {
  for (const limit of [STORAGE, COMPUTE, ALL]) {
    expect(hintOf(token, limit)).toContain('The token is no JWT')
  }
})
