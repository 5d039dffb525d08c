import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readRegularFile } from './regular-file.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'regular-file-'))
})
afterEach(() => rmSync(base, { recursive: true }))

function put(text: string): string {
  writeFileSync(join(base, 'file'), text)
  return join(base, 'file')
}

test('the text of a file is read up to the allowed size, also of many pieces', async () => {
  // More than one piece of a stream; a character may be cut between two.
  const text = `x${'é'.repeat(100_000)}`
  expect(await readRegularFile(put(text), 200_001)).toBe(text)
  expect(await readRegularFile(put(''), 0)).toBe('')
})

test('a file of one byte too many is refused with the allowed size', async () => {
  await expect(readRegularFile(put('x'.repeat(200_001)), 200_000)).rejects.toThrow(
    expect.objectContaining({ message: 'it has more than 200000 bytes' }),
  )
})

test('a directory and a pipe are refused at once', async () => {
  mkdirSync(join(base, 'directory'))
  execFileSync('mkfifo', [join(base, 'pipe')])
  for (const name of ['directory', 'pipe']) {
    await expect(readRegularFile(join(base, name), 10)).rejects.toThrow(
      expect.objectContaining({ message: 'it is not a regular file' }),
    )
  }
})

test.skipIf(process.platform !== 'linux')('no file is left open, whatever it is', async () => {
  const large = put('x'.repeat(100))
  await readRegularFile(large, 100)
  await readRegularFile(large, 10).catch(() => undefined)
  await readRegularFile(base, 10).catch(() => undefined)
  const open = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return undefined
    }
  })
  expect(open.filter((path) => path?.startsWith(base))).toEqual([])
})
