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
])('with the environment %j and the purpose %j the token file is %s', (env, purpose, path) => {
  expect(tokenFilePath(true, purpose, { env, uid })).toBe(path)
})

test('a given path is relative to the working directory', () => {
  expect(tokenFilePath('a/../b', undefined, { env: {}, uid })).toBe(resolve('b'))
  expect(tokenFilePath('/a', 'x', { env: {}, uid })).toBe('/a-x')
})

test.each(['', 'a/b', '../x', 'a b', 'é'])('the purpose %j is a usage error', (purpose) => {
  expect(() => tokenFilePath(true, purpose, { env: {}, uid })).toThrow(/--purpose/)
})

test('an empty path is a usage error', () => {
  expect(() => tokenFilePath('', undefined, { env: {}, uid })).toThrow(/path is empty/)
})
