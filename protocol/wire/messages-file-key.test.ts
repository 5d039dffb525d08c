import { describe, expect, test } from 'vitest'
import { type JsonObject, parseRequest, passwordEntryOf } from './messages.ts'

const config = { name: 'wlcg', issuer_url: 'https://op/' }

describe('password entries', () => {
  test('a password entry may be JSON text', () => {
    const entry = { account: 'a', type: '28', command: 'pass x', pw_file: '/p', gpg_key: 'K' }
    expect(passwordEntryOf(JSON.stringify(entry))).toMatchObject({ ...entry, type: 28 })
  })

  test.each([undefined, null, '', '{', [1], 7, true])(
    'a wrong password entry counts as absent: %j',
    (value) => {
      expect(passwordEntryOf(value)).toBeUndefined()
    },
  )
})

describe('file keys', () => {
  const salt = Buffer.alloc(16, 1).toString('base64')
  const key = Buffer.alloc(64, 2).toString('base64')

  test('a file key of the right sizes is accepted unchanged', () => {
    const body = { request: 'add', config, file_key: { salt, key } }
    expect(parseRequest(body)).toMatchObject({ file_key: { salt, key } })
  })

  test.each<[JsonObject, string]>([
    [{ salt }, 'key must be 64 bytes'],
    [{ key }, 'salt must be 16 bytes'],
    [{ salt: key, key }, 'salt must be 16 bytes'],
    [{ salt, key: salt }, 'key must be 64 bytes'],
    [{ salt, key: 'not base64' }, 'key must be 64 bytes'],
  ])('a file key of another size is refused: %j', (file_key, message) => {
    expect(() => parseRequest({ request: 'add', config, file_key })).toThrow(
      expect.objectContaining({
        code: 'bad-request',
        message: `Bad Request: file_key: ${message} in base64`,
      }),
    )
  })
})
