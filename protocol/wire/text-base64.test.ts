import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeBase64, encodeBase64 } from './text.ts'

test('bytes survive base64 encoding and decoding', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = encodeBase64(bytes)
      expect(text).toBe(btoa(String.fromCharCode(...bytes)))
      expect(decodeBase64(text)).toEqual(Buffer.from(bytes))
    }),
  )
})

test('base64 encodes only the given part of a buffer', () => {
  expect(encodeBase64(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toBe('AgM=')
})

test.each(['AgM', 'AgN=', 'A-_=', 'Ag M=', 'AgM=\n', '=', 'é', 'AgM=='])(
  'the text %j is not padded standard base64',
  (text) => {
    expect(decodeBase64(text)).toBeUndefined()
  },
)
