import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { covers, pathFault, scopeParts } from './claims.ts'

const name = fc.stringMatching(/^[a-z%0-9]{1,4}$/)
const names = fc.array(name, { maxLength: 5 })
const pathOf = (parts: readonly string[]): string => `/${parts.join('/')}`

describe('the path of a scope', () => {
  test('the path of a scope covers all below it and nothing else, with or without a final slash', () => {
    fc.assert(
      fc.property(names, names, fc.boolean(), (scope, file, slash) => {
        const path = pathOf(scope)
        const isBelow = scope.every((part, index) => file[index] === part)
        expect(covers(slash && path !== '/' ? `${path}/` : path, pathOf(file))).toBe(isBelow)
      }),
    )
  })

  test('the path of a scope is compared by whole names', () => {
    fc.assert(
      fc.property(names, name, name, (folder, one, more) => {
        expect(covers(pathOf([...folder, one]), pathOf([...folder, `${one}${more}`]))).toBe(false)
      }),
    )
  })

  test('an invalid path of a scope covers nothing', () => {
    fc.assert(
      fc.property(fc.string(), names, (path, file) => {
        fc.pre(pathFault(path) !== undefined)
        expect(covers(path, pathOf(file))).toBe(false)
      }),
    )
  })
})

test.each([
  [undefined, /no path/],
  ['', /no path/],
  ['data', /does not begin with/],
  ['/data/../home', /\.\. in its path/],
  ['/./data', /\. or \.\./],
  ['//data', /\/\/ in its path/],
])('the path %j of a scope is invalid', (path, fault) => {
  expect(pathFault(path)).toMatch(fault)
})

test('a scope is split at its first colon', () => {
  expect(scopeParts('storage.read:/a:b')).toEqual({ right: 'storage.read', path: '/a:b' })
  expect(scopeParts('openid')).toEqual({ right: 'openid', path: undefined })
})
