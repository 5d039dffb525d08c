import { expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { hintFor, withHint } from './error-table.ts'

test("the hint for a dead refresh token is the one that the C agent's clients search for", () => {
  expect(hintFor('refresh-token-dead', 'wlcg')).toBe(
    'Most likely the refresh token expired. To create a new one, just run:\n\t$ oidc-gen wlcg --reauthenticate\n',
  )
})

test('hints name the account, and the issuer if it is known', () => {
  expect(hintFor('invalid-scope', 'wlcg')).toContain('$ oidc-gen -m wlcg\n')
  expect(hintFor('invalid-client', 'wlcg')).toContain('$ oidc-gen wlcg --iss=<issuer>\n')
  expect(hintFor('invalid-client', 'wlcg', 'https://op')).toContain('--iss=https://op\n')
})

test('an error keeps its own hint', () => {
  const account = accountOf({ name: 'wlcg', issuer_url: 'https://op' })
  const plain = new AgentError('invalid-client', 'unknown client')
  expect(withHint(plain, account)).toMatchObject({
    hint: hintFor(plain.code, 'wlcg', 'https://op'),
  })
  const hinted = new AgentError('invalid-client', 'unknown client', { hint: 'ask' })
  expect(withHint(hinted, account)).toMatchObject({ hint: 'ask' })
  const fault = new TypeError('ours')
  expect(withHint(fault, account)).toBe(fault)
})

test('an account name with shell characters is quoted in a hint', () => {
  expect(hintFor('refresh-token-dead', 'my $(id)')).toContain(
    "oidc-gen 'my $(id)' --reauthenticate",
  )
})

test('an error that no command can solve has no hint', () => {
  expect(hintFor('network', 'wlcg')).toBeUndefined()
})
