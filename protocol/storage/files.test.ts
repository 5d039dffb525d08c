import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDirectories } from './files.ts'

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
