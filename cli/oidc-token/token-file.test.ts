import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { tokenFilePath } from './token-file.ts'

const uid = 1221

test.each([
  [{}, undefined, '/tmp/bt_u1221'],
  [{ XDG_RUNTIME_DIR: '' }, 'fife-CMS', '/tmp/bt_u1221-fife-CMS'],
  [{ XDG_RUNTIME_DIR: '/run/user/1221' }, undefined, '/run/user/1221/bt_u1221'],
  [{ XDG_RUNTIME_DIR: '/run/user/1221/' }, 'x', '/run/user/1221/bt_u1221-x'],
  [{ XDG_RUNTIME_DIR: '/run', BEARER_TOKEN_FILE: '/x/y' }, undefined, '/x/y'],
  [{ BEARER_TOKEN_FILE: '/x/y' }, 'z', '/x/y-z'],
  [{ BEARER_TOKEN_FILE: '' }, undefined, '/tmp/bt_u1221'],
])('with %j and purpose %j it is where programs look', (env, purpose, path) => {
  expect(tokenFilePath(true, purpose, { env, uid })).toBe(path)
})

test('a path that is given is meant from here', () => {
  expect(tokenFilePath('a/../b', undefined, { env: {}, uid })).toBe(resolve('b'))
  expect(tokenFilePath('/a', 'x', { env: {}, uid })).toBe('/a-x')
})

test.each(['', 'a/b', '../x', 'a b', 'é'])('%j is no purpose', (purpose) => {
  expect(() => tokenFilePath(true, purpose, { env: {}, uid })).toThrow(/--purpose/)
})

test('an empty path is a mistake', () => {
  expect(() => tokenFilePath('', undefined, { env: {}, uid })).toThrow(/path is empty/)
})
