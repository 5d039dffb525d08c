import { expect, test } from 'vitest'
import { openAccountFile, parseFileLines } from './account-file.ts'

const malformed = 'the file is empty'
const key = { salt: Buffer.alloc(16, 1), bytes: Buffer.alloc(64, 2) }
/** A file of before 2.1.0: length, salt, nonce and ciphertext in hex. */
const legacy = ['16', '00'.repeat(16), '00'.repeat(24), '00'.repeat(16)].join(':')

test('a file that is encrypted with GPG is refused with what to do', () => {
  const text = '-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----\n'
  expect(() => parseFileLines(text)).toThrow(
    expect.objectContaining({
      code: 'file-gpg',
      message: 'the account file is encrypted with GPG, which is not supported',
      hint: 'Make the account again with oidc-gen and give it a password.',
    }),
  )
})

test('a file of the old format is not opened with a key of the current one', async () => {
  expect(parseFileLines(legacy).format).toBe('legacy')
  await expect(openAccountFile(legacy, key)).rejects.toMatchObject({ code: 'wrong-password' })
})

test.each(['', '\n', '\r\n', 'Generated using version: 2.0.0', '\nGenerated using version: 1.9.9'])(
  'a file without a first line is empty: %j',
  (text) => {
    expect(() => parseFileLines(text)).toThrow(
      expect.objectContaining({
        code: 'file-malformed',
        message: expect.stringContaining(malformed) as string,
      }),
    )
  },
)

test.each([
  ['0.9.9', 'legacy'],
  ['2.0.10', 'legacy'],
  ['1.12.0', 'legacy'],
  ['2.1.0', 'current'],
  ['2.10.0', 'current'],
  ['3.0.0', 'current'],
  ['10.0.0', 'current'],
  ['5.3.3-rc1', 'current'],
  ['x5.3.3', 'unreadable'],
  ['5.3', 'unreadable'],
  ['5', 'unreadable'],
  ['', 'unreadable'],
])('a file of the version %s is read as %s', (version, kind) => {
  const text = `${legacy}\nGenerated using version: ${version}`
  const read = (): string => {
    try {
      return parseFileLines(text).format
    } catch (error) {
      return error instanceof Error ? error.message : 'no error'
    }
  }
  // One line is too few for the current format.
  const expected = {
    legacy: 'legacy',
    current: 'it has 2 lines',
    unreadable: 'version is unreadable',
  }
  expect(read()).toContain(expected[kind as keyof typeof expected])
})

test('a version counts only in the last line', () => {
  expect(() => parseFileLines(`Generated using version: 2.0.0\n${legacy}`)).toThrow(
    expect.objectContaining({
      message: expect.stringContaining('the line with the version is missing') as string,
    }),
  )
})
