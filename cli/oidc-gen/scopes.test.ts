import { describe, expect, test } from 'vitest'
import { withIamRules } from './scopes.ts'

const supported = ['openid', 'wlcg', 'compute.read', 'storage.read:/', 'storage.modify:/']

function withRules(
  scopes: readonly string[],
  given: {
    readonly named?: readonly string[]
    readonly family?: string
    readonly client?: 'new' | 'given'
    readonly supported?: readonly string[]
  } = {},
): { readonly scopes: readonly string[]; readonly warnings: string } {
  const warnings: string[] = []
  const { named = scopes, family = 'iam', client = 'new' } = given
  const asked = { named, client, supported: { scopes: given.supported ?? supported, family } }
  const result = withIamRules(scopes, asked, (line) => void warnings.push(line))
  return { scopes: result, warnings: warnings.join('\n') }
}

describe('Scopes of INDIGO IAM', () => {
  test.each([['compute.read'], ['storage.read:/home/alice']])(
    'a client for %s is also registered for the scope wlcg',
    (scope) => {
      const { scopes, warnings } = withRules(['openid', scope])
      expect(scopes).toEqual(['openid', scope, 'wlcg'])
      expect(warnings).toContain('wlcg was added')
    },
  )

  test.each([
    [['openid', 'wlcg', 'compute.read'], {}],
    [['openid', 'profile'], {}],
  ])('the scopes %j are not changed for INDIGO IAM', (scopes, given) => {
    expect(withRules(scopes, given)).toEqual({ scopes, warnings: '' })
  })

  test('a missing scope wlcg or a missing path is reported', () => {
    const poor = withRules(['compute.read'], { supported: ['openid', 'compute.read'] })
    expect(poor.scopes).toEqual(['compute.read'])
    expect(poor.warnings).toContain('does not offer the scope wlcg')
    const pathless = withRules(['wlcg', 'storage.read', 'storage.modify', 'storage.stage:/a'])
    expect(pathless.warnings).toBe(
      'Note: without a path storage.read storage.modify allows nothing; write storage.read:/path.',
    )
  })

  test('the scope wlcg is not added for a client that was registered beforehand', () => {
    const { scopes, warnings } = withRules(['compute.read'], { client: 'given' })
    expect(scopes).toEqual(['compute.read'])
    expect(warnings).toContain('scopes only into tokens of clients registered with the scope wlcg;')
  })

  test('a whole storage is requested only if its scope is named', () => {
    const { scopes, warnings } = withRules(supported, { named: ['storage.read:/'] })
    expect(scopes).toEqual(['openid', 'wlcg', 'compute.read', 'storage.read:/'])
    expect(warnings).toContain("'max' leaves out storage.modify:/:")
    expect(withRules(supported).warnings).toBe('')
  })
})

test.each(['conforming', 'keycloak'])(
  'the scopes for the provider profile %s are not changed',
  (family) => {
    const scopes = ['storage.read:/', 'compute.read']
    expect(withRules(scopes, { family, named: [] })).toEqual({ scopes, warnings: '' })
  },
)
