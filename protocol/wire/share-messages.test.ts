import { expect, test } from 'vitest'
import { parseReply, parseRequest } from './messages.ts'

const LIMIT = 'acc&scopes=a:b&audience=https://se.example:443'

test('a share request has a path, limits and perhaps a time', () => {
  const body = { request: 'share', path: '/run/s', allow: [LIMIT, 'b&scopes=*'] }
  expect(parseRequest(body)).toEqual({ ...body, share_for: undefined })
  expect(parseRequest({ ...body, share_for: '60' })).toMatchObject({ share_for: 60 })
  expect(parseRequest({ ...body, allow: LIMIT })).toMatchObject({ allow: [LIMIT] })
})

test.each([
  [{ request: 'share', allow: [LIMIT] }, "Required field 'path' not present."],
  [{ request: 'share', path: '/run/s' }, "Required field 'allow' not present."],
  [{ request: 'share', path: '/run/s', allow: [] }, "Required field 'allow' not present."],
  [{ request: 'share', path: 's', allow: [LIMIT] }, 'path must be absolute, without . or .. in it'],
  [{ request: 'share', path: '/s', allow: [LIMIT], share_for: -1 }, 'share_for is negative'],
  [{ request: 'unshare' }, "Required field 'path' not present."],
])('%j is refused', (body, message) => {
  expect(() => parseRequest(body)).toThrow(`Bad Request: ${message}`)
})

test('the status of an agent without restricted sockets has no list of them', () => {
  const info = { version: '1', command_line_options: '', loaded_accounts: [] }
  const statusOf = (more: object): unknown =>
    parseReply('status_json', JSON.stringify({ status: 'success', info: { ...info, ...more } }))
      .info.shares
  expect(statusOf({})).toBeUndefined()
  expect(statusOf({ shares: [{ path: '/s', allow: [LIMIT] }] })).toEqual([
    { path: '/s', allow: [LIMIT], expires_at: null },
  ])
})
