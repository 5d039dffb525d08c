import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  encodeReply,
  type FirstMessage,
  MAX_MESSAGE_BYTES,
  RequestReader,
  SealedTextReader,
} from './framing.ts'

interface Reader<T> {
  push(chunk: Uint8Array): T | undefined
}

/** What a reader makes of bytes that come `step` at a time. */
function pushed<T>(reader: Reader<T>, bytes: Uint8Array, step: number): T | undefined {
  for (let at = 0; at < bytes.length; at += step) {
    const message = reader.push(bytes.subarray(at, at + step))
    if (message !== undefined) return message
  }
  return undefined
}

function first(text: string | Uint8Array, step = 1): FirstMessage | undefined {
  return pushed(new RequestReader(), Buffer.from(text), step)
}

const step = fc.integer({ min: 1, max: 9 })
const key = Buffer.alloc(32, 7).toString('base64')

describe('the first message', () => {
  test('is an object, in whatever pieces it comes', () => {
    const spaces = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r') })
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.json()), spaces, fc.string(), step, (...given) => {
        const [object, before, after, pieces] = given
        const value = JSON.parse(JSON.stringify(object)) as unknown
        const text = before + JSON.stringify(object) + after
        expect(first(text, pieces)).toEqual({ kind: 'object', value })
      }),
    )
  })

  test('is a key, in whatever pieces it comes', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(bytes, step, (publicKey, pieces) => {
        const text = ` \n${Buffer.from(publicKey).toString('base64')}`
        expect(first(text, pieces)).toEqual({ kind: 'key', publicKey: Buffer.from(publicKey) })
      }),
    )
  })

  test.each([
    ['a NUL behind an object', '{"request":"check"}\0'],
    ['a second object', '{"request":"check"}{"request":"lock"}'],
    ['brackets and quotes inside strings', '{"request":"check","x":"}\\"]{\\\\"}'],
    ['line feeds inside strings', '{"request":"check","x":"\n"}'],
  ])('is whole with %s', (_, text) => {
    expect(first(text)).toMatchObject({ kind: 'object', value: { request: 'check' } })
    expect(first(text, 1000)).toMatchObject({ kind: 'object', value: { request: 'check' } })
  })

  test.each(['{]', '{"a"}', '{"a":1,}', 'x-y', 'é', '}', 'A'.repeat(44), `${'A'.repeat(42)}B=`])(
    'is refused where it can be nothing: %j',
    (text) => {
      const refusal = { code: 'bad-request', message: 'Bad Request: could not parse json' }
      expect(() => first(text)).toThrow(expect.objectContaining(refusal))
      expect(() => first(text, 1000)).toThrow(expect.objectContaining(refusal))
    },
  )

  test('is refused at its first wrong character, also if that comes with others', () => {
    expect(() => first('-abc', 4)).toThrow('could not parse json')
  })

  test.each(['[{"request":"check"}]', '"check"'])(
    'is refused where it is no object: %j',
    (text) => {
      const refusal = { code: 'bad-request', message: 'Bad Request: is not a json object' }
      expect(() => first(text)).toThrow(expect.objectContaining(refusal))
    },
  )

  test.each([
    ['', 'peer-disconnected', 'the other party disconnected'],
    [' \n', 'peer-disconnected', 'the other party disconnected'],
    ['{"request":', 'bad-request', 'Bad Request: could not parse json'],
    ['abc', 'bad-request', 'Bad Request: could not parse json'],
    ['1234', 'bad-request', 'Bad Request: is not a json object'],
    ['true', 'bad-request', 'Bad Request: is not a json object'],
  ])('that ends early is an error: %j', (text, code, message) => {
    const reader = new RequestReader()
    expect(pushed(reader, Buffer.from(text), 1)).toBeUndefined()
    expect(() => reader.end()).toThrow(expect.objectContaining({ code, message }))
  })

  test('may be as large as the limit, and no larger', () => {
    const frame = '{"x":""}'
    const largest = `{"x":"${'y'.repeat(MAX_MESSAGE_BYTES - frame.length)}"}`
    expect(first(largest, 1000)?.kind).toBe('object')
    // In one piece it is whole and too large; in many it is refused before its end has come.
    const refusal = { code: 'bad-request', message: expect.stringContaining('1048576') as string }
    for (const pieces of [1000, 2 * MAX_MESSAGE_BYTES]) {
      const larger = largest.replace('y', 'y'.repeat(5000))
      expect(() => first(larger, pieces)).toThrow(expect.objectContaining(refusal))
    }
  })

  test('that is not whole is refused after the limit, with its size', () => {
    const reader = new RequestReader()
    const unfinished = Buffer.alloc(MAX_MESSAGE_BYTES, ' ')
    unfinished.write('{')
    expect(reader.push(unfinished)).toBeUndefined()
    expect(() => reader.push(Buffer.from(' '))).toThrow(
      expect.objectContaining({
        code: 'bad-request',
        message: 'Bad Request: the message is larger than 1048576 bytes',
      }),
    )
  })

  test('costs no more in single bytes than its length', () => {
    const large = Buffer.from(`{"x":"${'y'.repeat(MAX_MESSAGE_BYTES - 10)}"}`)
    expect(first(large, 1)?.kind).toBe('object')
  })
})

describe('a sealed message', () => {
  const nonce = Buffer.alloc(24, 1).toString('base64')

  function message(length: number, announced = length): string {
    return `${announced}:${nonce}:${Buffer.alloc(length + 16, 2).toString('base64')}`
  }

  function sealed(text: string, pieces = 1): string | undefined {
    return pushed(new SealedTextReader(), Buffer.from(text), pieces)
  }

  test('is whole where its length says, in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.nat(300), step, (length, pieces) => {
        expect(sealed(message(length), pieces)).toBe(message(length))
      }),
    )
  })

  test('is not whole one byte earlier', () => {
    fc.assert(
      fc.property(fc.nat(300), (length) => {
        expect(sealed(message(length).slice(0, -1), 1)).toBeUndefined()
      }),
    )
  })

  test.each(['\0', '\n', ' \r\n'])('may have %j behind it', (end) => {
    expect(sealed(message(92) + end, 500)).toBe(message(92))
  })

  test('of a Python client, which counts characters, is taken in one piece', () => {
    expect(sealed(message(100, 90), 500)).toBe(message(100, 90))
  })

  test('of a Python client is waited for where it can only be unfinished', () => {
    const text = message(100, 90)
    const reader = new SealedTextReader()
    expect(reader.push(Buffer.from(text.slice(0, -3)))).toBeUndefined()
    expect(reader.push(Buffer.from(text.slice(-3)))).toBe(text)
  })

  test.each([
    'abc',
    '{"request":"check"}',
    '12:abc:def',
    '12;',
    ':',
    '12345678',
    `12:${nonce}=`,
    `12:${nonce}:é`,
    `12:${nonce}:a:b`,
    '12:\u00e9',
    `1048577:${nonce}:`,
    `9999999:${nonce}:`,
  ])('is refused where it can be none: %j', (text) => {
    const refusal = {
      code: 'message-malformed',
      message: 'internal error: ipc encrypted message malformed',
    }
    expect(() => sealed(text)).toThrow(expect.objectContaining(refusal))
    expect(() => sealed(text, 1000)).toThrow(expect.objectContaining(refusal))
  })

  test.each([`x12:${nonce}:`, `12:${nonce}:AA AA`])(
    'that comes in one piece is refused where it can be none: %j',
    (text) => {
      expect(() => sealed(text, 1000)).toThrow(
        expect.objectContaining({ code: 'message-malformed' }),
      )
    },
  )

  test.each([
    ['', 'peer-disconnected'],
    ['\n', 'peer-disconnected'],
    ['12:', 'message-malformed'],
    [`12:${nonce}:AAAA`, 'message-malformed'],
  ])('that ends early is an error: %j', (text, code) => {
    const reader = new SealedTextReader()
    expect(pushed(reader, Buffer.from(text), 1)).toBeUndefined()
    expect(() => reader.end()).toThrow(expect.objectContaining({ code }))
  })

  test('may be as large as the limit', () => {
    expect(sealed(message(MAX_MESSAGE_BYTES - 16), 1000)).toBeDefined()
  })
})

describe('a plain reply', () => {
  test.each([0, 1, 4095, 4096, 4097, 8192])('of %i bytes never ends a read of 4096', (length) => {
    const bytes = encodeReply('x'.repeat(length))
    expect(bytes.length % 4096).not.toBe(0)
    expect(bytes.toString().trimEnd()).toBe('x'.repeat(length))
  })

  test('is counted in bytes', () => {
    expect(encodeReply('é'.repeat(2048)).length).toBe(4097)
  })
})

test('keys are told from words of the same length', () => {
  expect(first(key)?.kind).toBe('key')
})

test('a sealed message longer than it says is taken up to the largest size', () => {
  const largest = 4 * Math.ceil((MAX_MESSAGE_BYTES + 16) / 3)
  const head = `40:${'A'.repeat(32)}:`
  const begun = (): SealedTextReader => {
    const reader = new SealedTextReader()
    reader.push(Buffer.from(`${head}A`))
    return reader
  }
  const rest = 'A'.repeat(largest - 1)
  expect(begun().push(Buffer.from(rest))).toHaveLength(head.length + largest)
  expect(() => begun().push(Buffer.from(`${rest}AAAA`))).toThrow(
    expect.objectContaining({ code: 'message-malformed' }),
  )
})

test('a sealed message that is never whole is refused before it fills the memory', () => {
  const reader = new SealedTextReader()
  // One character more than a multiple of four at each end of a piece: never decodable.
  reader.push(Buffer.from(`40:${'A'.repeat(32)}:A`))
  const piece = Buffer.from('AAAA'.repeat(16_384))
  let pushed = 0
  expect(() => {
    for (; pushed < 100; pushed += 1) reader.push(piece)
  }).toThrow(expect.objectContaining({ code: 'message-malformed' }))
  expect(pushed * piece.length).toBeLessThan(3 * MAX_MESSAGE_BYTES)
})
