import { expect, test } from 'vitest'
import { restrictedSocketOf, socketPath } from './allow.ts'

const LIMIT = 'acc&scopes=storage.read:/&audience=https://se.example:443'

function socketOf(path: string | undefined, ...allow: string[]): unknown {
  return restrictedSocketOf({ option: '--share', path, allow }, '/srv')
}

test('a restricted socket has an absolute path and its limits as they were given', () => {
  expect(socketOf('sub/s', LIMIT, 'b&scopes=*')).toEqual({
    path: '/srv/sub/s',
    allow: [LIMIT, 'b&scopes=*'],
  })
  expect(socketOf('/run/../s', LIMIT)).toMatchObject({ path: '/s' })
  expect(socketOf(undefined)).toBeUndefined()
})

test.each<[path: string | undefined, allow: string[], message: string]>([
  [undefined, [LIMIT], '--allow needs --share'],
  ['s', [], '--share needs at least one --allow'],
  ['', [LIMIT], '--share needs the path of a socket'],
  ['dir/', [LIMIT], '--share needs the path of a socket'],
  [
    's',
    [LIMIT, 'acc'],
    "--allow: 'acc' is not ACCOUNT&scopes=S1,S2&audience=A1,A2: scopes must be given; scopes=* allows all",
  ],
])('the path %j with the limits %j is a usage error', (path, allow, message) => {
  expect(() => socketOf(path, ...allow)).toThrow(
    expect.objectContaining({ code: 'usage', message }) as Error,
  )
})

test('the path of a socket to close is resolved', () => {
  expect(socketPath('--unshare', 's', '/srv')).toBe('/srv/s')
})
