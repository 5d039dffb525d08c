import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Ceiling, formatCeiling, parseCeiling } from './ceiling.ts'

test.each<[string, Ceiling]>([
  [
    'wlcg&scopes=storage.read:/a,compute.read&audience=https://se.example:8443,ce.example:9619',
    {
      account: 'wlcg',
      scopes: ['storage.read:/a', 'compute.read'],
      audiences: ['https://se.example:8443', 'ce.example:9619'],
    },
  ],
  ['wlcg&scopes=openid', { account: 'wlcg', scopes: ['openid'], audiences: [] }],
  ['wlcg&scopes=*', { account: 'wlcg', scopes: 'all', audiences: [] }],
  ['wlcg&audience=a&scopes=*', { account: 'wlcg', scopes: 'all', audiences: ['a'] }],
  [
    'wlcg&scopes=eduperson_entitlement:urn:x:y=z,a,a',
    { account: 'wlcg', scopes: ['eduperson_entitlement:urn:x:y=z', 'a'], audiences: [] },
  ],
])('%s is a ceiling', (text, ceiling) => {
  expect(parseCeiling(text)).toEqual(ceiling)
})

test.each([
  ['', 'it names no account'],
  ['&scopes=a', 'it names no account'],
  ['a b&scopes=a', 'it names no account'],
  ['../a&scopes=a', 'it names no account'],
  ['a', 'scopes must be given; scopes=* allows all'],
  ['a&audience=x', 'scopes must be given; scopes=* allows all'],
  ['a&scopes=', 'scopes is not a list of words with commas between them'],
  ['a&scopes=x,,y', 'scopes is not a list of words with commas between them'],
  ['a&scopes=x y', 'scopes is not a list of words with commas between them'],
  ['a&scopes=x&audience=', 'audience is not a list of words with commas between them'],
  ['a&scopes=x&scopes=y', 'scopes is given twice'],
  ['a&scope=x', "'scope=x' is neither scopes=… nor audience=…"],
  ['a&scopes=x&audiences=y', "'audiences=y' is neither scopes=… nor audience=…"],
  ['a&scopes=x&', "'' is neither scopes=… nor audience=…"],
  ['a&scopes', "'scopes' is neither scopes=… nor audience=…"],
  ['a&scopes=*,x', '* allows all scopes, so no other can be given'],
  ['a&scopes=x&audience=*', 'audiences must be named one by one'],
])('%s is refused', (text, problem) => {
  const message = `Bad Request: '${text}' is not ACCOUNT&scopes=S1,S2&audience=A1,A2: ${problem}`
  expect(() => parseCeiling(text)).toThrow(
    expect.objectContaining({ code: 'bad-request', message }),
  )
})

test('the message about a wrong ceiling has a space for each control character', () => {
  expect(() => parseCeiling('a\n\u001b&scopes=x')).toThrow(/^Bad Request: 'a {2}&scopes=x' /)
})

test('a formatted ceiling is read as the same ceiling', () => {
  const word = fc.stringMatching(/^[!#-%'-)+\--~]+$/).filter((text) => !text.includes('\\'))
  const list = fc.uniqueArray(word, { minLength: 1, maxLength: 4 })
  const ceilings = fc.record<Ceiling>({
    account: fc.stringMatching(/^[\w.:-]+$/),
    scopes: fc.oneof(list, fc.constant('all' as const)),
    audiences: fc.uniqueArray(word, { maxLength: 4 }),
  })
  fc.assert(
    fc.property(ceilings, (ceiling) => {
      expect(parseCeiling(formatCeiling(ceiling))).toEqual(ceiling)
    }),
  )
})
