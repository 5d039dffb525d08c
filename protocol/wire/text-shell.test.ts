import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shellQuote } from './text.ts'

test.each([
  ['a/b_c.d:e@f%g+h,i=j-K9', 'a/b_c.d:e@f%g+h,i=j-K9'],
  ['', "''"],
  ['a b', "'a b'"],
  [' a', "' a'"],
  ['a ', "'a '"],
  ['~', "'~'"],
  ['*', "'*'"],
  ["it's", String.raw`'it'\''s'`],
])('%j is written for a shell as %s', (value, quoted) => {
  expect(shellQuote(value)).toBe(quoted)
})

test('a shell reads every quoted value as it was', () => {
  const value = fc.string({
    unit: fc.constantFrom(...Array.from('aZ0 \n\t\'"\\$`*?[]{}()<>|&;!#~=%é😀')),
  })
  const values = fc.sample(value, 200)
  const script = `printf '%s\\0' ${values.map(shellQuote).join(' ')}`
  const read = execFileSync('sh', ['-c', script], { encoding: 'utf8' })
  expect(read.split('\0').slice(0, -1)).toEqual(values)
})
