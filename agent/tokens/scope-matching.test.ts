import fc from 'fast-check'
import { expect, test } from 'vitest'
import { missingScopes, scopesBeyondGrant } from './granted-scope.ts'

test.each([
  ['storage.read:/a/b', 'storage.read:/a', true],
  ['storage.read:/a/', 'storage.read:/a', true],
  ['storage.read:/a', 'storage.read:/', true],
  ['storage.read:/ab', 'storage.read:/a', false],
  ['storage.read:/', 'storage.read:/a', false],
  ['storage.read:/a/../b', 'storage.read:/a', false],
  ['storage.modify:/a', 'storage.read:/', false],
  ['storage.read', 'storage.read:/', false],
  ['compute.read', 'compute.read compute.create', true],
  ['compute.create', 'compute.read', false],
  ['wlcg.groups:/vo/a', 'wlcg.groups:/vo', false],
  ['offline_access', 'openid', true],
])('the scope %s within a grant of %s: %s', (asked, granted, covered) => {
  expect(missingScopes([asked], granted)).toEqual(covered ? [] : [asked])
})

test('a storage scope covers its path and all paths below it, and none beside it', () => {
  const component = fc.stringMatching(/^[a-z]{1,4}$/)
  const path = fc.array(component, { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(path, fc.array(component, { maxLength: 3 }), (above, below) => {
      const granted = `storage.read:/${above.join('/')}`
      const asked = `storage.read:/${[...above, ...below].join('/')}`
      expect(missingScopes([asked], granted)).toEqual([])
      const beside = `storage.read:/${above.join('/')}x`
      expect(missingScopes([beside], granted)).toEqual([beside])
    }),
  )
})

test('a login for wlcg.groups leads to tokens for one group, which must then be in the token', () => {
  const asked = ['wlcg.groups:/cms/production', 'wlcg.groups']
  expect(scopesBeyondGrant(asked, 'openid wlcg.groups')).toEqual([])
  expect(scopesBeyondGrant(asked, 'openid wlcg')).toEqual(asked)
  expect(scopesBeyondGrant(['wlcg.groups:/cms'], 'wlcg.groups:/atlas')).toEqual([
    'wlcg.groups:/cms',
  ])
  expect(missingScopes(['wlcg.groups:/cms'], 'openid wlcg.groups')).toEqual(['wlcg.groups:/cms'])
})
