import { afterEach, expect, test } from 'vitest'
import { GenSession } from '../../test/support/gen-session.ts'

const ok = { status: 'success' } as const

let session: GenSession
afterEach(() => session.close())

const client = ['--client-id=c', '--client-secret=s', '--iss=https://op.example/', '--scope=x']

test.each([
  ['invalid-client', [], 'Check its id and secret'],
  ['refresh-token-dead', ['--rt=RT'], 'The refresh token given by --rt'],
  // By password: it is not the refresh token that is wrong.
  ['refresh-token-dead', [], undefined],
])(
  'the error %s comes with a hint where the options can be corrected: %j',
  async (code, argv, hint) => {
    session = await GenSession.open({
      check: ok,
      scopes: { ...ok, info: '' },
      gen: { status: 'failure', error: 'refused', code },
    })
    const { status, stderr } = await session.run(['--only-at', ...client, ...argv])
    expect(status).toBe(1)
    const [error, ...said] = stderr
      .trimEnd()
      .split('\n')
      .slice(stderr.startsWith('Error') ? 0 : -2)
    expect(error).toBe('Error: refused')
    expect(said.join()).toContain(hint ?? '')
    expect(said).toHaveLength(hint === undefined ? 0 : 1)
  },
)

test('an insecure address is refused without the question whether it is the issuer', async () => {
  const insecure = { status: 'failure', error: 'only https is asked', code: 'insecure-url' }
  session = await GenSession.open({ check: ok, scopes: insecure })
  const { stderr } = await session.run([
    '--prompt=none',
    '-w',
    'device',
    '--iss=http://op',
    '--scope=max',
    'x',
  ])
  expect(stderr).toContain('only https is asked')
  expect(stderr).not.toContain('Is this the issuer?')
})
