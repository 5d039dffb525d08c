import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { AgentError } from '../wire/errors.ts'
import type { JsonObject } from '../wire/messages.ts'
import { loadSodium } from '../wire/sodium.ts'
import {
  completeFields,
  type DeriveKey,
  deriveKey,
  type FileKey,
  newFileKey,
  openAccountFile,
  parseFileLines,
  sealAccountFile,
  sealCurrent,
  unlockAccountFile,
} from './account-file.ts'

/** Takes the place of Argon2id where thousands of files are opened. */
const quickDerive: DeriveKey = (password, salt) =>
  Promise.resolve(createHash('sha512').update(salt).update(password).digest())

const fields = {
  name: 'wlcg',
  issuer_url: 'https://op/',
  refresh_token: 'ré',
  '10': [1, { a: null }],
  unknown: { b: 'ü', a: 1 },
  auth_scope: 'openid offline_access',
  refresh_scope: '',
  scope: 'openid offline_access',
}

let key: FileKey
let text: string
beforeAll(async () => {
  key = await newFileKey('påss', quickDerive)
  text = await sealAccountFile(fields, key)
})

describe('an account file', () => {
  test('has the seven lines of the C peer, and no final line feed', () => {
    const lines = text.split('\n')
    expect(lines).toHaveLength(7)
    expect(lines[0]).toBe(String(Buffer.from(lines[4] ?? '', 'base64').length))
    expect(lines[2]).toBe(Buffer.from(key.salt).toString('base64'))
    expect(lines[3]).toBe('24:16:16:32:1:2:67108864:2')
    expect(lines[5]).toBe(Buffer.from(key.bytes.subarray(32)).toString('base64'))
    expect(lines[6]).toBe('Generated using version: 5.3.3')
  })

  test('opens with its password to the same fields in the same order', async () => {
    const opened = await unlockAccountFile(text, 'påss', quickDerive)
    expect(JSON.stringify(opened.fields)).toBe(JSON.stringify(fields))
    expect(opened.key.salt).toEqual(Buffer.from(key.salt))
    expect(opened.key.bytes).toEqual(key.bytes)
  })

  test('opens with the key, and with what sealing it again gives', async () => {
    const again = await sealAccountFile(await openAccountFile(text, key), key)
    expect(await openAccountFile(again, key)).toEqual(fields)
    expect(again.split('\n')[1]).not.toBe(text.split('\n')[1])
  })

  test('keeps any JSON object there is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (object) => {
        const given = completeFields(JSON.parse(JSON.stringify(object)) as JsonObject)
        expect(await openAccountFile(await sealAccountFile(given, key), key)).toEqual(given)
      }),
    )
  })

  test.each(['\n', '\r\n'])('may end with %j', async (end) => {
    expect(await openAccountFile(text + end, key)).toEqual(fields)
  })

  test('may have CRLF line ends', async () => {
    expect(await openAccountFile(text.replaceAll('\n', '\r\n'), key)).toEqual(fields)
  })

  test('is derived with Argon2id, which this thread can do', async () => {
    const made = await newFileKey('pw')
    const opened = await unlockAccountFile(await sealAccountFile(fields, made), 'pw')
    expect(opened.fields).toEqual(fields)
    expect(await deriveKey('pw', made.salt)).toEqual(made.bytes)
  })
})

/** How opening a text ended: the code of the error, or `opens`. */
async function outcome(altered: string): Promise<string> {
  try {
    const opened = await unlockAccountFile(altered, 'påss', quickDerive)
    expect(opened.fields).toEqual(fields)
    return 'opens'
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    return error.code
  }
}

describe('an altered file', () => {
  /** Whether the text still ends with a version that has this format: that line is not sealed. */
  const isVersioned = (altered: string): boolean =>
    /\nGenerated using version: (?:[3-9]\.\d|2\.[1-9])\.\d.?$/s.test(altered) &&
    altered.startsWith(text.slice(0, text.lastIndexOf('\n')))

  test('does not open, whichever byte it is', async () => {
    const length = text.length
    await fc.assert(
      fc.asyncProperty(fc.nat(length - 1), fc.integer({ max: 255, min: 0 }), async (at, byte) => {
        const altered = text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1)
        fc.pre(altered !== text && !isVersioned(altered))
        expect(['wrong-password', 'file-malformed']).toContain(await outcome(altered))
      }),
      { numRuns: 3000 },
    )
  })

  test('does not open with any single bit flipped in what is sealed', async () => {
    for (let at = 0; at < text.lastIndexOf('\n'); at += 1) {
      const altered = Buffer.from(text)
      altered[at] = (altered[at] ?? 0) ^ 1
      expect(['wrong-password', 'file-malformed']).toContain(
        await outcome(altered.toString('latin1')),
      )
    }
  })

  test('does not open when cut off, wherever', async () => {
    for (let length = 0; length < text.lastIndexOf('.'); length += 1) {
      expect(await outcome(text.slice(0, length))).toBe('file-malformed')
    }
  })

  test.each<[string, (lines: string[]) => void, string]>([
    ['no text', (lines) => lines.splice(0), 'the file is empty'],
    ['a version alone', (lines) => lines.splice(0, 6), 'it has 1 lines instead of 7'],
    ['a line more', (lines) => lines.unshift(''), 'it has 8 lines instead of 7'],
    ['no version', (lines) => lines.splice(6), 'the line with the version is missing'],
    [
      'an unreadable version',
      (lines) => lines.splice(6, 1, 'Generated using version: 5.x'),
      'the version is unreadable',
    ],
    [
      'another length',
      (lines) => lines.splice(0, 1, '1'),
      'the ciphertext is not as long as line 1 says',
    ],
    ['no nonce', (lines) => lines.splice(1, 1, ''), 'the nonce is not 24 bytes'],
    ['a long salt', (lines) => lines.splice(2, 1, lines[1] ?? ''), 'the salt is not 16 bytes'],
    [
      'other parameters',
      (lines) => lines.splice(3, 1, '24:16:16:32:1:3:67108864:2'),
      'the parameters in line 4 are unknown',
    ],
    ['a broken ciphertext', (lines) => lines.splice(4, 1, '*'), 'the ciphertext is unreadable'],
    ['a short ciphertext', (lines) => lines.splice(4, 1, 'AAAA'), 'the ciphertext is unreadable'],
    ['no check value', (lines) => lines.splice(5, 1, ''), 'the check value is not 32 bytes'],
    ['another nonce', (lines) => lines.splice(1, 1, 'A'.repeat(32)), 'the ciphertext was altered'],
  ])('is malformed, and says where: %s', async (_, alter, part) => {
    const lines = text.split('\n')
    alter(lines)
    await expect(unlockAccountFile(lines.join('\n'), 'påss', quickDerive)).rejects.toMatchObject({
      code: 'file-malformed',
      message: `encryption malformed: ${part}`,
      hint: expect.stringContaining('backup') as string,
    })
  })

  test.each(['[]', 'text', '', '"x"'])('with %j inside is malformed', async (plaintext) => {
    const sealed = sealCurrent(await loadSodium(), plaintext, key, randomBytes(24))
    await expect(openAccountFile(sealed, key)).rejects.toMatchObject({
      code: 'file-malformed',
      message: 'encryption malformed: there is no JSON object inside',
    })
  })
})

describe('a wrong password', () => {
  test('is told', async () => {
    await expect(unlockAccountFile(text, 'other', quickDerive)).rejects.toMatchObject({
      code: 'wrong-password',
      message: 'wrong password',
    })
  })

  test('may be a held key of other salt, check value or length', async () => {
    const others: FileKey[] = [
      { ...key, salt: randomBytes(16) },
      { ...key, salt: randomBytes(15) },
      { ...key, bytes: randomBytes(64) },
      { ...key, bytes: key.bytes.subarray(0, 40) },
    ]
    for (const other of others) {
      await expect(openAccountFile(text, other)).rejects.toMatchObject({ code: 'wrong-password' })
    }
  })
})

describe('a file of the old format', () => {
  const vectors = join(import.meta.dirname, '../../test/vectors')
  const legacy = readFileSync(join(vectors, 'hex-sodium23.enc'), 'utf8')
  const password = readFileSync(join(vectors, 'hex-sodium23.password'), 'utf8')

  test('gives a key for the current one', async () => {
    const opened = await unlockAccountFile(legacy, password, quickDerive)
    const sealed = await sealAccountFile(opened.fields, opened.key)
    expect(parseFileLines(sealed).format).toBe('current')
    expect((await unlockAccountFile(sealed, password, quickDerive)).fields['name']).toBe(
      opened.fields['name'],
    )
  })

  test('may name its version', () => {
    const line = legacy.trimEnd()
    const versions = ['0.9.9', '1.2.3', '2.0.10']
    for (const version of versions) {
      const file = parseFileLines(`${line}\nGenerated using version: ${version}`)
      expect(file.format).toBe('legacy')
    }
    expect(() => parseFileLines(`${line}\nGenerated using version: 2.1.0`)).toThrow('2 lines')
  })

  test('does not open with a held key', async () => {
    await expect(openAccountFile(legacy, key)).rejects.toMatchObject({ code: 'wrong-password' })
  })

  test('does not open when what it was sealed with is altered', async () => {
    const altered = legacy.replace(/:.(?=[0-9a-f]{10})/, (start) => (start === ':0' ? ':1' : ':0'))
    await expect(unlockAccountFile(altered, password)).rejects.toMatchObject({
      code: 'wrong-password',
    })
  })

  test.each<[string, (line: string) => string, string]>([
    ['too many parts', (line) => `${line}:00`, 'it has the old format, with too many parts'],
    ['another length', (line) => `1${line}`, 'the ciphertext is not as long as line 1 says'],
    ['upper case', (line) => line.toUpperCase(), 'the ciphertext is unreadable'],
    [
      'a part missing',
      (line) => line.slice(0, line.lastIndexOf(':')),
      'the ciphertext is unreadable',
    ],
    [
      'salt and nonce exchanged',
      (line) => line.replace(/:(\w+):(\w+):/, ':$2:$1:'),
      'the nonce is not 24 bytes',
    ],
    ['something else', () => 'hello', 'the ciphertext is unreadable'],
  ])('is malformed with %s', (_, alter, part) => {
    expect(() => parseFileLines(alter(legacy.trimEnd()))).toThrow(
      expect.objectContaining({ code: 'file-malformed', message: `encryption malformed: ${part}` }),
    )
  })
})

describe('the names for scopes', () => {
  test.each([
    ['a 4.x file', { scope: 'a b' }, { scope: 'a b', auth_scope: 'a b', refresh_scope: '' }],
    [
      'a 5.x file',
      { auth_scope: 'a b', refresh_scope: '' },
      { scope: 'a b', auth_scope: 'a b', refresh_scope: '' },
    ],
    [
      'a 5.x file of which less was granted',
      { auth_scope: 'a b', refresh_scope: 'a' },
      { scope: 'a', auth_scope: 'a b', refresh_scope: 'a' },
    ],
    [
      'a 5.x file made of a 4.x one',
      { auth_scope: '', scope: 'a' },
      { scope: 'a', auth_scope: 'a', refresh_scope: '' },
    ],
    ['nothing', {}, { scope: '', auth_scope: '', refresh_scope: '' }],
  ])('are all there for %s', (_, given, complete) => {
    expect(completeFields(given)).toEqual(complete)
  })
})
