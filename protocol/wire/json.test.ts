import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonArray, isJsonObject, parseJsonObject, parseTolerantJson } from './json.ts'

describe('tolerant JSON', () => {
  test.each([
    ['line feeds and tabs in a string', '{"info":"a\n\tb\u0001"}', { info: 'a\n\tb\u0001' }],
    ['a NUL at the end', '{"a":1}\0', { a: 1 }],
    ['spaces around', ' \n{"a":1}\t\n', { a: 1 }],
    ['two glued objects', '{"a":{"b":"}"}}{"c":2}', { a: { b: '}' } }],
    ['glued objects with escapes', '{"a":"\\"}\\\\"}{', { a: '"}\\' }],
    ['an escaped line feed that is not a letter', '{"a":"\\\\\n"}', { a: '\\\n' }],
    ['an array before something else', '[1,[2]] x', [1, [2]]],
    ['a text with a NUL after it', '"x"\0', 'x'],
    ['a text with several NULs and blanks after it', '"x"\0 \0\n', 'x'],
    ['null', 'null', null],
  ])('takes %s', (_, text, value) => {
    expect(parseTolerantJson(text)).toEqual(value)
  })

  test.each(['', ' ', '{', '{"a":1', '}', '{"a":}', 'abc', '{"a":"x}', '{]', '\0', '"a'])(
    'refuses %j',
    (text) => {
      expect(() => parseTolerantJson(text)).toThrow(
        expect.objectContaining({
          code: 'bad-request',
          message: 'Bad Request: could not parse json',
        }),
      )
    },
  )

  test('reads what JSON.stringify writes, with anything glued behind an object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.json()), fc.string(), (object, more) => {
        const text = JSON.stringify(object)
        expect(parseTolerantJson(text + more)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('does not mind how control characters in strings are written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const strict = JSON.stringify({ value })
        const raw = strict.replaceAll('\\n', '\n').replaceAll('\\t', '\t')
        // Only where no backslash stands before them are the two the same text.
        fc.pre(!value.includes('\\'))
        expect(parseTolerantJson(raw)).toEqual({ value })
      }),
    )
  })

  test('takes time in proportion to the length', () => {
    // An unclosed string full of quotes: a backtracking reader would take minutes.
    const hostile = `{"${'\\"'.repeat(400_000)}`
    expect(() => parseTolerantJson(hostile)).toThrow('could not parse json')
  })
})

test('an object is asked for where nothing else will do', () => {
  expect(parseJsonObject('{"a":"\n"}\0')).toEqual({ a: '\n' })
  for (const text of ['[]', 'null', '1', '"{}"']) {
    expect(() => parseJsonObject(text)).toThrow('Bad Request: is not a json object')
  }
})

test('objects, arrays and the rest are told apart', () => {
  expect([{}, [], null, 1, 'x'].map(isJsonObject)).toEqual([true, false, false, false, false])
  expect([{}, [], null].map((value) => isJsonArray(value))).toEqual([false, true, false])
})

test.each([
  ['arrays', '['.repeat(20_000) + ']'.repeat(20_000)],
  ['objects', '{"a":'.repeat(20_000) + '1' + '}'.repeat(20_000)],
  ['arrays in an object', `{"request":${'['.repeat(201)}${']'.repeat(201)}}`],
])('JSON of %s nested too deep is refused with a clear error', (_, text) => {
  expect(() => parseTolerantJson(text)).toThrow(
    expect.objectContaining({
      code: 'bad-request',
      message: expect.stringMatching(/nested/) as string,
    }),
  )
})

test('JSON of 200 levels is read, however long it is', () => {
  const text = '['.repeat(200) + ' '.repeat(1000) + ']'.repeat(200)
  expect(JSON.stringify(parseTolerantJson(text))).toBe('['.repeat(200) + ']'.repeat(200))
})

test('brackets inside a string do not count as nesting', () => {
  const text = '['.repeat(1000)
  expect(parseTolerantJson(JSON.stringify({ text }))).toEqual({ text })
})
