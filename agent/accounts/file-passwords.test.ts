import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { PasswordEntry } from '../../protocol/wire/messages.ts'
import { filePasswords } from './file-passwords.ts'

const NOW = 1_000_000
const [MEMORY, COMMAND, FILE] = [1, 4, 16]

let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'file-password-'))
})
afterEach(() => rmSync(home, { recursive: true }))

function fileWith(text: string): string {
  const path = join(home, 'password')
  writeFileSync(path, text)
  return path
}

async function passwordsOf(entry: PasswordEntry): Promise<readonly string[]> {
  const passwords: string[] = []
  for await (const password of filePasswords(entry, NOW)) passwords.push(password)
  return passwords
}

test('file passwords come from memory, command and file, in that order', async () => {
  const type = MEMORY + COMMAND + FILE
  const sources = { password: 'kept', command: 'echo told', pw_file: fileWith('written\n') }
  expect(await passwordsOf({ type, ...sources })).toEqual(['kept', 'told', 'written'])
  expect(await passwordsOf({ type: FILE, ...sources })).toEqual(['written'])
  expect(await passwordsOf({ type })).toEqual([])
})

test.each(['first\n', 'first', 'first\r\nsecond\r\n', 'first\nsecond'])(
  'the password of a file with the content %j is its first line, as for oidc-add',
  async (text) => {
    expect(await passwordsOf({ type: FILE, pw_file: fileWith(text) })).toEqual(['first'])
  },
)

test('no file password comes from a source that fails, or from a memory that has expired', async () => {
  const type = MEMORY + COMMAND + FILE
  const failing = { command: 'exit 1', pw_file: join(home, 'none') }
  const kept = (expires_at: number): PasswordEntry => ({
    type,
    ...failing,
    password: 'kept',
    expires_at,
  })
  expect(await passwordsOf(kept(NOW / 1000))).toEqual([])
  expect(await passwordsOf(kept(NOW / 1000 + 1))).toEqual(['kept'])
  expect(await passwordsOf(kept(0))).toEqual(['kept'])
})
