import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokenOfUseFile } from './source.ts'

const alphabet = Array.from('ABCXYZabcxyz0189-._~+/')
const tokens = fc
  .array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 200 })
  .map((characters) => characters.join(''))
const spaces = fc
  .array(fc.constantFrom(' ', '\f', '\n', '\r', '\t', '\v'), { maxLength: 4 })
  .map((characters) => characters.join(''))

describe('a token file', () => {
  test('a token file may hold a bare token with white space around it', () => {
    fc.assert(
      fc.property(spaces, tokens, spaces, (before, token, after) => {
        expect(tokenOfUseFile(`${before}${token}${after}`)).toBe(token)
      }),
    )
  })

  test('a token file may hold JSON with an access token among other members', () => {
    fc.assert(
      fc.property(spaces, tokens, fc.boolean(), (around, token, wide) => {
        const fields = { token_type: 'bearer', access_token: token, expires_in: 1199.7 }
        const text = JSON.stringify(fields, null, wide ? 4 : 0)
        expect(tokenOfUseFile(`${around}${text}${around}`)).toBe(token)
      }),
    )
  })

  test.each([
    ['', 'the token file is empty'],
    [' \n', 'the token file is empty'],
    ['one two', 'the token file holds no bearer token'],
    ['one\ntwo', 'the token file holds no bearer token'],
    ['"quoted"', 'the token file holds no bearer token'],
    ['tök', 'the token file holds no bearer token'],
    ['{}', 'the token file holds no bearer token'],
    ['{"access_token": 7}', 'the token file holds no bearer token'],
    ['{"access_token": "a b"}', 'the token file holds no bearer token'],
    ['{"access_token": "abc', 'the token file holds damaged JSON'],
  ])('a file with %j is not a token file', (text, message) => {
    expect(() => tokenOfUseFile(text)).toThrow(
      expect.objectContaining({ code: 'file-malformed', message }),
    )
  })
})
