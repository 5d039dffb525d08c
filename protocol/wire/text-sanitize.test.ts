import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sanitize, tokenFileLine } from './text.ts'

type Policy = Parameters<typeof sanitize>[1]

/** Characters that a text must not carry raw to a terminal, a log, a page or JSON output, by their names. */
const nasty: Readonly<Record<string, string>> = {
  NUL: '\u0000',
  BEL: '\u0007',
  'carriage return': '\r',
  'ESC of a colour': '\u001b[31m',
  'ESC of a window title': '\u001b]0;owned\u0007',
  DEL: '\u007f',
  'next line (C1)': '\u0085',
  'CSI (C1)': '\u009b2J',
  'soft hyphen': '\u00ad',
  'Arabic letter mark': '\u061c',
  'zero-width space': '\u200b',
  'zero-width joiner': '\u200d',
  'left-to-right mark': '\u200e',
  'right-to-left mark': '\u200f',
  'line separator': '\u2028',
  'paragraph separator': '\u2029',
  'left-to-right embedding': '\u202a',
  'right-to-left override': '\u202e',
  'left-to-right isolate': '\u2066',
  'pop directional isolate': '\u2069',
  'byte order mark': '\ufeff',
  'tag character': '\u{e0041}',
  'lone high surrogate': '\ud83d',
  'lone low surrogate': '\ude00',
}

/** What must not be left, in any policy; surrogates only where they are alone. */
const unsafe = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** How a policy writes one unsafe character between `a` and `b`. */
const written: Readonly<Record<Policy, (character: string) => string>> = {
  terminal: () => 'a?b',
  line: () => 'a?b',
  html: () => 'a b',
  reason: () => 'a b',
  json: (character) =>
    `a${Array.from({ length: character.length }, (_, index) => {
      const unit = character.charCodeAt(index)
      return `\\u${unit.toString(16).padStart(4, '0')}`
    }).join('')}b`,
}
const policies = Object.keys(written) as readonly Policy[]

/** The first character of a sequence is the one that makes it dangerous. */
function firstOf(text: string): string {
  return Array.from(text)[0] ?? ''
}

describe.each(policies)('the policy %s', (policy) => {
  test.each(Object.entries(nasty))(`${policy}: no raw %s is left`, (_, sequence) => {
    expect(sanitize(`a${sequence}b`, policy)).not.toMatch(unsafe)
    const character = firstOf(sequence)
    expect(sanitize(`a${character}b`, policy)).toBe(written[policy](character))
  })

  test(`${policy}: no text keeps an unsafe character`, () => {
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      fc.constantFrom(...Object.values(nasty), '😀', '&', '<', '"'),
    )
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 900 }), (text) => {
        expect(sanitize(text, policy)).not.toMatch(unsafe)
      }),
    )
  })

  test(`${policy}: a text without such characters stays as it is`, () => {
    const text = 'Größe → 3, 日本語 😀'
    expect(sanitize(text, policy)).toBe(text)
  })
})

test.each<[Policy, string]>([
  ['terminal', 'one\n\ttwo'],
  ['json', 'one\n\ttwo'],
  ['line', 'one??two'],
  ['html', 'one two'],
  ['reason', 'one two'],
])('the policy %s writes an end of line and a tab as %j', (policy, expected) => {
  expect(sanitize('one\n\ttwo', policy)).toBe(expected)
})

test('a provider cannot command the terminal', () => {
  expect(sanitize('invalid\u001b]0;owned\u0007 \u009b31m\r\u0000', 'terminal')).toBe(
    'invalid?]0;owned? ?31m??',
  )
})

test('text on a terminal keeps its length and is not changed a second time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const shown = sanitize(text, 'terminal')
      expect(shown.length).toBe(text.length)
      expect(sanitize(shown, 'terminal')).toBe(shown)
    }),
  )
})

test('JSON output is the same value after it is sanitized', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.values(nasty)), (value, character) => {
      const all = { [character]: [value, `a${character}b`] }
      for (const indent of [undefined, 2, '\t']) {
        const json = JSON.stringify(all, null, indent)
        expect(JSON.parse(sanitize(json, 'json'))).toEqual(JSON.parse(json))
      }
    }),
  )
})

test('no foreign text becomes markup', () => {
  expect(sanitize(`<b title="x">'&amp;`, 'html')).toBe(
    '&#60;b title=&#34;x&#34;&#62;&#39;&#38;amp;',
  )
})

test.each<[Policy, number]>([
  ['html', 400],
  ['reason', 300],
])('the policy %s cuts a text after %i characters, and no character in half', (policy, length) => {
  expect(sanitize('x'.repeat(length), policy)).toBe('x'.repeat(length))
  expect(sanitize('x'.repeat(length + 1), policy)).toBe(`${'x'.repeat(length)}…`)
  expect(sanitize(`${'x'.repeat(length - 1)}😀`, policy)).toBe(`${'x'.repeat(length - 1)}…`)
  expect(sanitize(`😀${'x'.repeat(length)}`, policy)).toBe(`😀${'x'.repeat(length - 2)}…`)
})

test('a token file whose name has an end of line is listed in one line', () => {
  const file = {
    path: '/tmp/a\nok\u202e',
    account: 'w\u001b[2Jlcg',
    expires_at: 0,
    state: 'retrying',
    error: 'no\r\nway',
  } as const
  expect(tokenFileLine(file)).toBe('/tmp/a?ok? (w?[2Jlcg): no token; retrying: no??way')
})
