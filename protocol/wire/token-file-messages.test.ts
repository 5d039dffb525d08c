import { describe, expect, test } from 'vitest'
import { parseReply, parseRequest } from './messages.ts'
import { tokenFileLine } from './text.ts'

describe('token_file', () => {
  test('a token_file request keeps all its fields', () => {
    const request = {
      request: 'token_file',
      account: 'wlcg',
      path: '/run/user/1/bt_u1',
      scope: 'a b',
      audience: 'x',
      min_valid_period: '60',
      strict: 1,
      once: true,
      leave: 0,
      owner_pid: 17,
    }
    expect(parseRequest(request)).toMatchObject({
      ...request,
      min_valid_period: 60,
      strict: true,
      once: true,
      leave: false,
    })
    expect(parseRequest({ request: 'token_file_stop', path: '/x' })).toEqual({
      request: 'token_file_stop',
      path: '/x',
    })
  })

  test.each([undefined, '', 'bt_u1', './x', '/a/../b', '/a//b', '/a/', '/a\nb'])(
    'the path of a token file must be absolute and in its shortest form: not %j',
    (path) => {
      const body = { request: 'token_file_stop', ...(path !== undefined && { path }) }
      expect(() => parseRequest(body)).toThrow(/^Bad Request: .*path/)
    },
  )

  test('token_file is refused without account and issuer', () => {
    expect(() => parseRequest({ request: 'token_file', path: '/x' })).toThrow('Not yet implemented')
  })

  test('the reply to token_file has path and expiry', () => {
    const reply = { status: 'success', path: '/x', expires_at: '17', info: 'scope differs' }
    expect(parseReply('token_file', JSON.stringify(reply))).toEqual({ ...reply, expires_at: 17 })
    const least = parseReply('token_file', '{"status":"success","path":"/x"}')
    expect(least).toMatchObject({ path: '/x', expires_at: 0 })
  })
})

test('a line about a token file shows its expiry and why it could not be renewed', () => {
  const info = {
    version: '5.3.3',
    loaded_accounts: [],
    token_files: [
      { path: '/a', account: 'wlcg', expires_at: 1_700_000_000, state: 'fresh' },
      { path: '/b', account: 'wlcg', state: 'fresh' },
      { path: '/c', account: 'wlcg', expires_at: 1_700_000_000, state: 'retrying', error: 'down' },
      { path: '/d', account: 'wlcg', state: 'new' },
      'nonsense',
    ],
  }
  const reply = parseReply('status_json', JSON.stringify({ status: 'success', info }))
  expect(reply.info.token_files?.map(tokenFileLine)).toEqual([
    '/a (wlcg): valid until 2023-11-14T22:13:20Z',
    '/b (wlcg): of unknown expiry',
    '/c (wlcg): valid until 2023-11-14T22:13:20Z; retrying: down',
    '/d (wlcg): no token; retrying: unknown error',
  ])
  const none = parseReply('status_json', JSON.stringify({ info: { ...info, token_files: 1 } }))
  expect(none.info.token_files).toBeUndefined()
})
