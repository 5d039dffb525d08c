import { describe, expect, test } from 'vitest'
import { dateOf, loginEndWarning, printedAccount, printNames } from './printing.ts'
import { testIo } from './test-io.ts'

const now = Date.UTC(2026, 11, 18, 12)
const DAY = 86_400

function warned(seconds: number, account: string | undefined = 'wlcg'): string | undefined {
  const reply = {
    status: 'success',
    access_token: 'AT',
    issuer: 'https://op.example/',
    expires_at: 0,
    refresh_token_expires_at: now / 1000 + seconds,
  } as const
  return loginEndWarning(reply, account, now)
}

describe('the warning before the end of a login', () => {
  const date = dateOf(now / 1000 + 2 * DAY)

  test('the end of a login is announced in its last three days, with the command for a new login', () => {
    expect(warned(2 * DAY)).toBe(
      `the login of wlcg ends in 2 days (${date}): oidc-gen wlcg --reauthenticate`,
    )
    expect(warned(3 * DAY)).toContain('in 3 days')
    expect(warned(3 * DAY + 1)).toBeUndefined()
  })

  test.each([
    [DAY, 'ends in 1 day ('],
    [5 * 3600, 'ends in 5 hours ('],
    [3600, 'ends in 1 hour ('],
    [60, 'ends within the hour ('],
    [-60, 'ended on '],
  ])('a login with %d seconds left %s', (seconds, text) => {
    expect(warned(seconds)).toContain(text)
  })

  test('the warning names the issuer if no account is given, and quotes an account for the shell', () => {
    const reply = { status: 'success', access_token: 'AT', expires_at: 0 } as const
    const ending = { ...reply, issuer: 'https://op.example/', refresh_token_expires_at: now / 1000 }
    expect(loginEndWarning(ending, undefined, now)).toMatch(
      /^the login of this account at https:\/\/op\.example\/ ended .*oidc-gen ACCOUNT/,
    )
    expect(warned(60, 'my acc')).toContain("oidc-gen 'my acc' --reauthenticate")
  })

  test('a login that the provider has ended is reported whatever its expected end', () => {
    const reply = { status: 'success', access_token: 'AT', issuer: '', expires_at: 0 } as const
    const over = { ...reply, login_expired: true, refresh_token_expires_at: now } as const
    expect(loginEndWarning(over, 'wlcg', now)).toBe(
      'the login of wlcg has ended: oidc-gen wlcg --reauthenticate',
    )
  })

  test.each([undefined, 0])('a login with the unknown end %s causes no warning', (end) => {
    const reply = { status: 'success', access_token: 'AT', issuer: '', expires_at: 0 } as const
    expect(loginEndWarning({ ...reply, refresh_token_expires_at: end }, 'x', now)).toBeUndefined()
  })
})

test('the name of an account is one line of a list, whatever characters it has', () => {
  const io = testIo()
  printNames(io, ['wlcg', 'w\u202eglc\u001b[2J', 'a\nb'], { heading: '', none: '' })
  expect(io.stdout.text).toBe('wlcg\nw?glc?[2J\na?b\n')
})

test('the printed JSON of an account has control and format characters as escapes', () => {
  const fields = { name: 'wlcg', 'note\u2066': ['a\u009b2J', '\u202etxt\u007f'] }
  const text = printedAccount(fields)
  expect(text).toBe(
    '{\n\t"name":\t"wlcg",\n\t"note\\u2066":\t["a\\u009b2J", "\\u202etxt\\u007f"]\n}',
  )
  expect(JSON.parse(text)).toEqual(fields)
})
