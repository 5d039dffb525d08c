import { afterEach, beforeEach, expect, test } from 'vitest'
import { GenSession } from '../../test/support/gen-session.ts'

const ok = { status: 'success' } as const
const client = ['--iss=https://op.example', '--scope=openid', '--client-id=cid'] as const
const argv = [...client, '--client-secret=s', '-w', 'password', '--no-save', 'acc'] as const

let session: GenSession

beforeEach(async () => {
  const config = { name: 'acc', issuer_url: 'https://op.example/', refresh_token: 'RT' }
  session = await GenSession.open({ check: ok, scopes: ok, gen: { ...ok, config } })
})

afterEach(() => session.close())

test('the flow password asks for user name and password if no option gives them', async () => {
  const { status, stderr, terminal } = await session.run(argv, {
    turns: [
      ['Username', 'alice'],
      ['Password', 'wonderland'],
    ],
  })
  expect({ status, stderr, left: terminal.left }).toEqual({ status: 0, stderr: '', left: [] })
  expect(session.request('gen')).toMatchObject({
    flow: ['password'],
    config: { username: 'alice', password: 'wonderland' },
  })
})

test('a password on the command line is used, with a warning', async () => {
  const given = ['--op-username=alice', '--op-password=wonderland'] as const
  const { status, stderr } = await session.run([...given, ...argv], { turns: [] })
  expect(status).toBe(0)
  expect(stderr).toMatch(/^Warning: --op-password could be seen by other users/)
  expect(session.request('gen')).toMatchObject({ config: { password: 'wonderland' } })
})

test('user name and password are not asked for if another flow comes first', async () => {
  const flows = ['-w', 'device', '-w', 'password'] as const
  const options = [...client, '--client-secret=s', ...flows, '--no-save', 'acc'] as const
  const { status } = await session.run(options, { turns: [] })
  expect(status).toBe(0)
  expect(session.request('gen')).toMatchObject({ flow: ['device', 'password'] })
})
