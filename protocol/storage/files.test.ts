import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leftoversOf, makeDirectories, prepareReplacement, replaceFile } from './files.ts'

let base: string

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'directories-'))
})
afterEach(() => rmSync(base, { recursive: true }))

test('makes what is missing, for its owner only, and says where that began', () => {
  expect(makeDirectories(join(base, 'a/b/c'))).toBe(join(base, 'a'))
  expect(statSync(join(base, 'a')).mode & 0o777).toBe(0o700)
  expect(statSync(join(base, 'a/b/c')).mode & 0o777).toBe(0o700)
  expect(makeDirectories(join(base, 'a/b/c'))).toBeUndefined()
})

test('a file or a dangling link in the way is an error', () => {
  writeFileSync(join(base, 'file'), '')
  symlinkSync(join(base, 'nowhere'), join(base, 'link'))
  expect(() => makeDirectories(join(base, 'file'))).toThrow('EEXIST')
  expect(() => makeDirectories(join(base, 'file/x'))).toThrow(/EEXIST|ENOTDIR/)
  expect(() => makeDirectories(join(base, 'link/x'))).toThrow(/EEXIST|ENOENT/)
})

test.runIf(existsSync('/proc/self'))('where nothing can be made, it says so at once', () => {
  expect(() => makeDirectories('/proc/oidc-agent/x')).toThrow('ENOENT')
})

test('a replaced file has the new text, is only for its owner, and nothing is left beside it', async () => {
  const path = join(base, 'account')
  writeFileSync(path, 'old', { mode: 0o644 })
  await replaceFile(path, 'new')
  expect(readFileSync(path, 'utf8')).toBe('new')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(base)).toEqual(['account'])
})

test('a symbolic link stays a link, and the file that it leads to is replaced', async () => {
  mkdirSync(join(base, 'elsewhere'))
  writeFileSync(join(base, 'elsewhere', 'real'), 'old')
  symlinkSync(join(base, 'elsewhere', 'real'), join(base, 'account'))
  await replaceFile(join(base, 'account'), 'new')
  expect(lstatSync(join(base, 'account')).isSymbolicLink()).toBe(true)
  expect(readFileSync(join(base, 'elsewhere', 'real'), 'utf8')).toBe('new')
})

test('a text shorter than what was reserved replaces all of it', async () => {
  const path = join(base, 'account')
  const replacement = await prepareReplacement(path, 'r'.repeat(1000))
  expect(existsSync(path)).toBe(false)
  await replacement.write('short')
  await replacement.commit()
  expect(readFileSync(path, 'utf8')).toBe('short')
})

test('a replacement that is discarded leaves the file and nothing beside it', async () => {
  const path = join(base, 'account')
  writeFileSync(path, 'old')
  const replacement = await prepareReplacement(path, 'reserved')
  expect(readdirSync(base)).toHaveLength(2)
  await replacement.discard()
  expect(readFileSync(path, 'utf8')).toBe('old')
  expect(readdirSync(base)).toEqual(['account'])
})

test('a text whose rename fails is found as a leftover of the file', async () => {
  const path = join(base, 'account')
  const replacement = await prepareReplacement(path)
  await replacement.write('the only copy')
  mkdirSync(path)
  await expect(replacement.commit()).rejects.toMatchObject({ code: 'file-unwritable' })
  const leftovers = await leftoversOf(path)
  expect(leftovers.map((one) => readFileSync(one, 'utf8'))).toEqual(['the only copy'])
})

test('the leftovers of one file are not those of another one whose name begins alike', async () => {
  for (const name of ['account', 'account.0123456789abcdef']) {
    writeFileSync(join(base, `.${name}.0123456789abcdef.tmp`), '')
  }
  expect(await leftoversOf(join(base, 'account'))).toHaveLength(1)
  expect(await leftoversOf(join(base, 'account.0123456789abcdef'))).toHaveLength(1)
  expect(await leftoversOf(join(base, 'acc'))).toEqual([])
})

test('a directory that is gone is an error that names the file', async () => {
  const path = join(base, 'gone', 'account')
  await expect(prepareReplacement(path)).rejects.toMatchObject({
    code: 'file-unwritable',
    message: expect.stringContaining(path) as string,
  })
})
