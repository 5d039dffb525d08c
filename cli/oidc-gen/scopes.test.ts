import { describe, expect, test } from 'vitest'
import { withIamRules } from './scopes.ts'

const supported = ['openid', 'wlcg', 'compute.read', 'storage.read:/', 'storage.modify:/']

function ruled(
  scopes: readonly string[],
  given: {
    readonly named?: readonly string[]
    readonly family?: string
    readonly client?: 'new' | 'given'
    readonly supported?: readonly string[]
  } = {},
): { readonly scopes: readonly string[]; readonly told: string } {
  const told: string[] = []
  const { named = scopes, family = 'iam', client = 'new' } = given
  const asked = { named, client, supported: { scopes: given.supported ?? supported, family } }
  const result = withIamRules(scopes, asked, (line) => void told.push(line))
  return { scopes: result, told: told.join('\n') }
}

describe('INDIGO IAM', () => {
  test.each([['compute.read'], ['storage.read:/home/alice']])(
    'a client for %s is registered for wlcg',
    (scope) => {
      const { scopes, told } = ruled(['openid', scope])
      expect(scopes).toEqual(['openid', scope, 'wlcg'])
      expect(told).toContain('wlcg was added')
    },
  )

  test.each([
    [['openid', 'wlcg', 'compute.read'], {}],
    [['openid', 'profile'], {}],
  ])('%j stays', (scopes, given) => {
    expect(ruled(scopes, given)).toEqual({ scopes, told: '' })
  })

  test('what is missing there is told: the scope wlcg, or a path', () => {
    const poor = ruled(['compute.read'], { supported: ['openid', 'compute.read'] })
    expect(poor.scopes).toEqual(['compute.read'])
    expect(poor.told).toContain('does not offer the scope wlcg')
    const pathless = ruled(['wlcg', 'storage.read', 'storage.modify', 'storage.stage:/a'])
    expect(pathless.told).toBe(
      'Note: without a path storage.read storage.modify allows nothing; write storage.read:/path.',
    )
  })

  test('a given client is not asked for what it may not have', () => {
    const { scopes, told } = ruled(['compute.read'], { client: 'given' })
    expect(scopes).toEqual(['compute.read'])
    expect(told).toContain('scopes only into tokens of clients registered with the scope wlcg;')
  })

  test('whole storages are asked for only by name', () => {
    const { scopes, told } = ruled(supported, { named: ['storage.read:/'] })
    expect(scopes).toEqual(['openid', 'wlcg', 'compute.read', 'storage.read:/'])
    expect(told).toContain("'max' leaves out storage.modify:/:")
    expect(ruled(supported).told).toBe('')
  })
})

test.each(['conforming', 'keycloak'])('%s gets what was asked for', (family) => {
  const scopes = ['storage.read:/', 'compute.read']
  expect(ruled(scopes, { family, named: [] })).toEqual({ scopes, told: '' })
})
