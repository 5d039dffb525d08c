import { createPublicKey, diffieHellman } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { newKeyPair, openSealedChannel, type SealedChannel } from './encryption.ts'
import { loadSodium, type Sodium } from './sodium.ts'

let sodium: Sodium
let agent: SealedChannel
let client: SealedChannel
beforeAll(async () => {
  sodium = await loadSodium()
  const [one, other] = [newKeyPair(), newKeyPair()]
  agent = openSealedChannel(sodium, one.publicKey, other)
  client = openSealedChannel(sodium, other.publicKey, one)
})

test('either side opens what the other sealed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(agent.open(client.seal(text))).toBe(text)
      expect(client.open(agent.seal(text))).toBe(text)
    }),
  )
})

test('a message says its plaintext bytes, then 24 bytes of nonce', () => {
  const [length, nonce, sealed] = client.seal('{"é":1}').split(':')
  expect(length).toBe('8')
  expect(nonce).toHaveLength(32)
  expect(Buffer.from(sealed ?? '', 'base64')).toHaveLength(8 + 16)
})

test('no two messages are the same', () => {
  expect(client.seal('x')).not.toBe(client.seal('x'))
})

test('every connection has its own keys', () => {
  const peer = newKeyPair().publicKey
  const keys = [1, 2].map(() => openSealedChannel(sodium, peer).publicKeyText)
  expect(keys[0]).toMatch(/^[A-Za-z0-9+/]{43}=$/)
  expect(keys[0]).not.toBe(keys[1])
})

test('the length that a peer announces is ignored', () => {
  expect(agent.open(client.seal('héllo').replace(/^\d+/, '5'))).toBe('héllo')
})

describe('an altered message', () => {
  test('does not open, whichever byte it is', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), (at, byte) => {
        const parts = client.seal('{"request":"check"}').split(':')
        const sealed = Buffer.from(parts[2] ?? '', 'base64')
        const index = at % sealed.length
        fc.pre(sealed[index] !== byte)
        sealed[index] = byte
        const altered = [parts[0], parts[1], sealed.toString('base64')].join(':')
        expect(() => agent.open(altered)).toThrow(
          expect.objectContaining({ code: 'decryption-failed', message: 'decryption failed' }),
        )
      }),
    )
  })

  test("does not open with another connection's key", () => {
    const stranger = openSealedChannel(sodium, newKeyPair().publicKey)
    expect(() => agent.open(stranger.seal('x'))).toThrow('decryption failed')
  })

  test('shorter than a tag does not open', () => {
    const nonce = Buffer.alloc(24).toString('base64')
    expect(() => agent.open(`0:${nonce}:AAAA`)).toThrow('decryption failed')
  })

  test.each([
    'abc',
    '1:2',
    '1:AAAA:AAAA',
    '1:2:3:4',
    `1:${'A'.repeat(32)}:A-_=`,
    '1:not base64:AAAA',
    '',
  ])('without the right parts is malformed: %j', (text) => {
    expect(() => agent.open(text)).toThrow(expect.objectContaining({ code: 'message-malformed' }))
  })

  test('with a fourth part is malformed', () => {
    expect(() => agent.open(`${client.seal('x')}:x`)).toThrow(
      expect.objectContaining({ code: 'message-malformed' }),
    )
  })
})

/** libsodium's list of coordinates that leave no secret, and the order of their points. */
const noSecret = [
  ['0', '00'.repeat(32)],
  ['1', `01${'00'.repeat(31)}`],
  ['one of order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
  ['the other of order 8', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
  ['p - 1', `ec${'ff'.repeat(30)}7f`],
  ['p, not reduced', `ed${'ff'.repeat(30)}7f`],
  ['p + 1, not reduced', `ee${'ff'.repeat(30)}7f`],
  ['1, with the bit that is ignored', `01${'00'.repeat(30)}80`],
].map(([what, hex]) => [what, Buffer.from(hex ?? '', 'hex')] as const)

test.each([...noSecret, ['of 31 bytes', Buffer.alloc(31, 9)] as const])(
  'a public key %s is suspicious before anything is sent',
  (_, publicKey) => {
    expect(() => openSealedChannel(sodium, publicKey)).toThrow(
      expect.objectContaining({
        code: 'suspicious-public-key',
        message: 'received suspicious public key',
      }),
    )
  },
)

test('a public key of 33 bytes is suspicious before anything is sealed', () => {
  const channel = openSealedChannel(sodium, Buffer.alloc(33, 9))
  expect(() => channel.deriveSharedKey()).toThrow(
    expect.objectContaining({
      code: 'suspicious-public-key',
      cause: expect.any(TypeError) as unknown,
    }),
  )
})

test.each(noSecret)('OpenSSL finds no secret for %s either', (_, key) => {
  const jwk = { kty: 'OKP', crv: 'X25519', x: key.toString('base64url') }
  const publicKey = createPublicKey({ format: 'jwk', key: jwk })
  const { privateKey } = newKeyPair()
  expect(() => diffieHellman({ privateKey, publicKey })).toThrow()
})

describe('a message whose length is a multiple of 4096', () => {
  // Head and base64 only add up to one where the plaintext has 100 000 bytes or more.
  test.each([
    [101_327, 0],
    [101_328, 3],
    [101_329, 2],
    [101_330, 1],
    [101_331, 0],
  ])('gets spaces: %i bytes, %i spaces', (length, spaces) => {
    const message = client.seal('x'.repeat(length))
    expect(message.length % 4096).not.toBe(0)
    expect(agent.open(message)).toBe('x'.repeat(length) + ' '.repeat(spaces))
  })
})

test('key pairs are made one after the other without end', () => {
  // In Node 20 exporting the key object of a pair deadlocks in garbage collection; ours must not.
  const keys = new Set(
    Array.from({ length: 3000 }, () => Buffer.from(newKeyPair().publicKey).toString('hex')),
  )
  expect(keys.size).toBe(3000)
})
