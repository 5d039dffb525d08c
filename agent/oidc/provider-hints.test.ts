import { expect, test } from 'vitest'
import { hintFor } from './provider-hints.ts'

test("the hint the C agent's clients search for", () => {
  expect(hintFor('refresh-token-dead', 'wlcg')).toBe(
    'Most likely the refresh token expired. To create a new one, just run:\n\t$ oidc-gen wlcg --reauthenticate\n',
  )
})

test('hints name the account, and the issuer where it is known', () => {
  expect(hintFor('invalid-scope', 'wlcg')).toContain('$ oidc-gen -m wlcg\n')
  expect(hintFor('invalid-client', 'wlcg')).toContain('$ oidc-gen wlcg --iss=<issuer>\n')
  expect(hintFor('invalid-client', 'wlcg', 'https://op')).toContain('--iss=https://op\n')
})

test('what nobody can mend by a command has no hint', () => {
  expect(hintFor('network', 'wlcg')).toBeUndefined()
})
