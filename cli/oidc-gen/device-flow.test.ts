import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { GenSession, type Ran, type RunOptions } from '../../test/support/gen-session.ts'

const ok = { status: 'success' } as const
const device = {
  device_code: 'DC',
  user_code: 'ABCD-EFGH',
  verification_uri: 'https://op.example/device',
  verification_uri_complete: 'https://op.example/device?user_code=ABCD-EFGH',
  expires_in: 60,
  interval: 5,
}
const token = { ...ok, access_token: 'AT', issuer: 'https://op.example/', expires_at: 1 }

function failure(error: string, code?: string): JsonObject {
  return code === undefined ? { status: 'failure', error } : { status: 'failure', error, code }
}

let session: GenSession
afterEach(() => session.close())

/** Runs a login for a token alone, whose polls are answered by `polls`. */
async function login(
  polls: readonly JsonObject[],
  started: JsonObject = device,
  options: RunOptions = {},
): Promise<Ran> {
  session = await GenSession.open({
    check: ok,
    scopes: { ...ok, info: '' },
    gen: { status: 'accepted', oidc_device: started },
    device: polls,
  })
  const client = ['--client-id=c', '--client-secret=s', '--iss=https://op.example/', '--scope=x']
  return session.run(['--only-at', ...client], options)
}

const pending = failure('authorization_pending')

test('a device login polls at the interval until there is a token, and prints it', async () => {
  const { status, stdout, pauses } = await login([pending, pending, token])
  expect(stdout).toBe('accepted\nAT\n')
  expect(status).toBe(0)
  expect(pauses).toEqual([5, 5, 5])
  expect(session.request('device')).toEqual({
    request: 'device',
    oidc_device: { device_code: 'DC' },
    only_at: true,
  })
})

test('a token with an escape sequence is not printed', async () => {
  const { status, stdout, stderr } = await login([{ ...token, access_token: 'A\u001b[2JT' }])
  expect([status, stdout]).toEqual([1, 'accepted\n'])
  expect(stderr).toContain('not printed')
})

test('a device login polls every 5 seconds if the provider gives no interval', async () => {
  const { pauses } = await login([pending, token], { ...device, interval: 0 })
  expect(pauses).toEqual([5, 5])
})

test('each slow_down adds 5 seconds to the interval for the rest of the login', async () => {
  const slow = failure('slow_down')
  const { pauses } = await login([slow, pending, slow, pending, token])
  expect(pauses).toEqual([5, 10, 10, 15, 15])
})

test.each([
  ['the network is down', failure('could not connect to url', 'network')],
  ['the provider restarts', failure('op.example answered 503', 'provider-unavailable')],
  ['the provider limits the rate', failure('op.example answered 429', 'rate-limited')],
])('a device login polls at twice the interval while %s', async (_, trouble) => {
  const { pauses, status } = await login([trouble, token])
  expect(status).toBe(0)
  expect(pauses).toEqual([5, 10])
})

test('a device login continues when a locked agent is unlocked', async () => {
  const locked = failure('Agent locked', 'agent-locked')
  const { pauses, status, stderr } = await login([pending, locked, locked, token])
  expect(status).toBe(0)
  expect(pauses).toEqual([5, 5, 5, 5])
  expect(stderr.match(/The agent is locked/g)).toHaveLength(1)
  expect(stderr).toContain('oidc-add -X')
})

test('a device login ends when its code has expired', async () => {
  const { pauses, status, stderr } = await login([pending], { ...device, expires_in: 14 })
  expect(status).toBe(1)
  expect(pauses).toEqual([5, 5, 5])
  expect(stderr).toContain('Error: Device code is not valid any more!')
  expect(stderr).toContain('within 14 seconds')
})

test('a device login ends when the person denies it', async () => {
  const { status, stderr, pauses } = await login([failure('access_denied: not me')])
  expect(status).toBe(1)
  expect(stderr).toContain('Error: access_denied: not me\n')
  expect(pauses).toEqual([5])
})

test('Ctrl-C ends a device login by SIGINT', async () => {
  const { status, stdout } = await login([pending], device, { interruptAt: 3 })
  expect(status).toBe('SIGINT')
  expect(stdout).toBe('accepted\n')
})

describe('The device code', () => {
  test('stderr shows the address and the code, and no QR code unless it is a terminal', async () => {
    const { stderr } = await login([token])
    expect(stderr).toBe(
      '\nUsing a browser on any device, visit:\nhttps://op.example/device\n\nAnd enter the code: ABCD-EFGH\n',
    )
  })

  test('a terminal shows a QR code too, in colours unless NO_COLOR is set', async () => {
    const coloured = await login([token], device, { showing: true })
    expect(coloured.stderr).toMatch(/\[97;40m[█▀▄ ]+\u001b\[0m\n/)
    await session.close()
    const plain = await login([token], device, { showing: true, env: { NO_COLOR: '1' } })
    expect(plain.stderr).toContain('█▀▄')
    expect(plain.stderr).not.toContain('\u001b')
  })

  test("control characters in the provider's texts are not shown", async () => {
    const { stderr } = await login([token], {
      ...device,
      user_code: 'AB\u001b[2J\u0007CD\u202eEF',
      verification_uri: 'https://op.example/\r\u009bdevice\n',
    })
    expect(stderr).toContain('https://op.example/??device?\n')
    expect(stderr).toContain('And enter the code: AB?[2J?CD?EF\n')
  })
})
