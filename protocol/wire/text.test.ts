import fc from 'fast-check'
import { expect, test } from 'vitest'
import { visibleText } from './text.ts'

test('a provider cannot command the terminal', () => {
  expect(visibleText('invalid\u001b]0;owned\u0007 \u009b31m\r\u0000')).toBe(
    'invalid?]0;owned? ?31m??',
  )
})

test('what can be seen stays as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(visibleText(text).length).toBe(text.length)
      expect(visibleText(visibleText(text))).toBe(visibleText(text))
    }),
  )
  const text = 'Größe → 3\n\tnext line'
  expect(visibleText(text)).toBe(text)
})
