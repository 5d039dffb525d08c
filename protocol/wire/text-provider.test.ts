import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Secret } from './secret.ts'
import { MAX_PROVIDER_TEXT, providerText } from './text.ts'

/** Code points of all kinds, the dangerous ones often. */
const text = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0xd7ff }).map((point) => String.fromCodePoint(point)),
    fc.constantFrom('\n', '\u001b', '\u009b', '\u202e', '\u2028', '.', 'eyJ', '%'),
  ),
  maxLength: 600,
})
const secret = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', '9', '.', '/', '+', '=', '-', '_', '~'),
  minLength: 8,
  maxLength: 40,
})

test('the text of a provider is one bounded line without the secret', () => {
  fc.assert(
    fc.property(text, text, secret, (before, after, value) => {
      const shown = providerText(before + value + after, [new Secret(value)])
      expect(shown.includes(value)).toBe(false)
      expect(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(shown)).toBe(false)
      expect(shown.length).toBeLessThanOrEqual(MAX_PROVIDER_TEXT + 1)
    }),
  )
})

test('a secret of six or more characters is replaced, also if it is percent-encoded', () => {
  const value = fc.string({
    unit: fc.constantFrom(...Array.from('aZ09-_.~!*\'()+/=%&?#: "\\äß€😀'), '\ud800'),
    minLength: 6,
    maxLength: 40,
  })
  const uriComponent = (text: string): string =>
    encodeURIComponent(text.replaceAll('\ud800', '\ufffd'))
  const form = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2)
  const lowerCase = (text: string): string => text.replace(/%../g, (byte) => byte.toLowerCase())
  fc.assert(
    fc.property(value, (one) => {
      for (const encode of [uriComponent, form]) {
        for (const sent of [one, encode(one), lowerCase(encode(one))]) {
          expect(providerText(`<${sent}>`, [new Secret(one)])).toBe('<[secret]>')
        }
      }
    }),
  )
})

test('a message survives secrets of fewer than six characters', () => {
  fc.assert(
    fc.property(text, fc.string({ maxLength: 5 }), (message, value) => {
      expect(providerText(message, [new Secret(value)])).toBe(providerText(message, []))
    }),
  )
  expect(providerText('invalid_scope: not allowed', [new Secret('e'), new Secret('scope')])).toBe(
    'invalid_scope: not allowed',
  )
})

test('a secret that is part of another one does not uncover the rest of it', () => {
  const secrets = [new Secret('inner-part'), new Secret('begin-inner-part-end')]
  expect(providerText('it was begin-inner-part-end', secrets)).toBe('it was [secret]')
})

test('a provider cannot make the search for tokens take minutes', () => {
  expect(providerText('eyJaaaa-'.repeat(100_000), []).length).toBe(MAX_PROVIDER_TEXT + 1)
})

test('any JWT in the text of a provider is replaced, signed or not', () => {
  const jwt = 'eyJhbGciOiJub25lIn0.eyJqdGkiOiJhIn0.'
  expect(providerText(`"${jwt}" and token=${jwt}c2ln, bye`, [])).toBe(
    '"[token]" and token=[token], bye',
  )
})

test('an encrypted JWT, which has five parts, is replaced as a whole', () => {
  expect(providerText('token eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn!', [])).not.toContain('[token]')
  expect(providerText('token eyJhbGciOiJkaXIifQ.a2V5.aXY.Y2lwaGVy.dGFn!', [])).toBe(
    'token [token]!',
  )
})

test('blanks around the text of a provider are left out', () => {
  expect(providerText('\n  no such user \t', [])).toBe('no such user')
})

test('a secret with a control character in it is not put together again', () => {
  expect(providerText('it was se\u0007cret', [new Secret('secret')])).not.toContain('secret')
})
