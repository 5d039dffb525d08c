import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { VERSION } from '../protocol/wire/version.ts'

const ROOT = join(import.meta.dirname, '..')

test('VERSION equals the version of package.json', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string
  }
  expect(VERSION).toBe(version)
})
