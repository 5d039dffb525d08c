import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Secret } from '../../protocol/secret.ts'
import { MAX_PROVIDER_TEXT, providerText } from './provider-text.ts'

test('whatever a provider writes, it stays one bounded line without the secret', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 600 }))
  fc.assert(
    fc.property(text, text, fc.stringMatching(/^[\w./+=-]{8,40}$/), (before, after, secret) => {
      const shown = providerText(before + secret + after, [new Secret(secret)])
      expect(shown).not.toContain(secret)
      expect(shown).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
      expect(shown.length).toBeLessThanOrEqual(MAX_PROVIDER_TEXT + 1)
    }),
  )
})

test('any JWT is taken out, signed or not, wherever it stands', () => {
  const jwt = 'eyJhbGciOiJub25lIn0.eyJqdGkiOiJhIn0.'
  expect(providerText(`"${jwt}" and token=${jwt}c2ln, bye`, [])).toBe(
    '"[token]" and token=[token], bye',
  )
})

test('a secret is not shown because it has a control character in it', () => {
  expect(providerText('it was se\u0007cret', [new Secret('secret')])).not.toContain('secret')
})
