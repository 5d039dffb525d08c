import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeBase64, encodeBase64 } from './text.ts'

test('bytes survive', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = encodeBase64(bytes)
      expect(text).toBe(btoa(String.fromCharCode(...bytes)))
      expect(decodeBase64(text)).toEqual(Buffer.from(bytes))
    }),
  )
})

test('encodes the part of a buffer that it is given', () => {
  expect(encodeBase64(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toBe('AgM=')
})

test.each(['AgM', 'AgN=', 'A-_=', 'Ag M=', 'AgM=\n', '=', 'é', 'AgM=='])('refuses %j', (text) => {
  expect(decodeBase64(text)).toBeUndefined()
})
