import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isTokenText, MAX_TOKEN_FILE_BYTES, tokenLine } from './token-line.ts'

const token = (length: number): string => 'a'.repeat(length)

describe('tokenLine', () => {
  test('a token line has the token at its start, padded with spaces to the size before', () => {
    const lengths = fc.integer({ min: 1, max: MAX_TOKEN_FILE_BYTES - 1 })
    fc.assert(
      fc.property(lengths, fc.integer({ min: 0, max: 5000 }), (length, before) => {
        const line = tokenLine(token(length), before)
        expect(line).toMatch(/^a+ *\n$/)
        expect(line.trim()).toBe(token(length))
        expect(line.length).toBeLessThanOrEqual(MAX_TOKEN_FILE_BYTES)
        const fits = length < before && before <= MAX_TOKEN_FILE_BYTES
        if (fits) expect(line).toHaveLength(before)
      }),
    )
  })

  test('a token line keeps its size while the length of the token changes a little', () => {
    const first = tokenLine(token(700))
    expect(first.length % 256).toBe(0)
    for (const length of [690, 701, 731]) {
      expect(tokenLine(token(length), first.length)).toHaveLength(first.length)
    }
    // Right below a step there is room, too.
    expect(tokenLine(token(760)).length).toBeGreaterThan(768)
  })

  test('a token that just fits fills the file, and a longer one is refused with a hint', () => {
    expect(tokenLine(token(4095))).toBe(`${token(4095)}\n`)
    expect(() => tokenLine(token(4096))).toThrow(/4096 characters long.* 4096 bytes/)
    expect(() => tokenLine(token(4096))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('-s') as string }),
    )
  })

  test.each(['', ' ', 'a b', 'a\nb', 'a\u0000', 'tokén', 'a=b', '=', '"a"'])(
    'a token line for the text %j is refused, and the error does not repeat the text',
    (bad) => {
      expect(() => tokenLine(bad)).toThrow(
        /^the access token from the provider contains characters/,
      )
    },
  )
})

test.each([
  ['', true],
  ['\n', true],
  ['eyJ.a-b_c~+/==  \n', true],
  ['two words\n', false],
  ['two\nlines\n', false],
  ['{"access_token":"x"}', false],
])('whether a file with the content %j may be replaced as a token file: %s', (text, is) => {
  expect(isTokenText(text)).toBe(is)
})
