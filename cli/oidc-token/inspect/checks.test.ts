import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Check, clientChecks } from './checks.ts'
import { operationOf } from './operation.ts'
import { discoveredToken } from './source.ts'

const ROOT = 'root://se.example.org//data/x'
const HTTPS = 'https://se.example.org/data/x'
const uid = process.getuid?.() ?? 0

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'client-checks-'))
})

afterEach(() => rm(directory, { recursive: true }))

async function checksOf(content: string, mode: number, url: string): Promise<readonly Check[]> {
  const path = join(directory, `bt_u${uid}`)
  await writeFile(path, content)
  await chmod(path, mode)
  const found = await discoveredToken({ env: { XDG_RUNTIME_DIR: directory }, uid })
  return clientChecks(found, operationOf(url, 'read'))
}

test.each([
  ['t.o.k', 0o600, ROOT, /^ok only yours, 5 bytes$/],
  ['t.o.k', 0o640, ROOT, /^not ok mode 0640: xrdcp refuses .*; chmod 600 \//],
  ['t.o.k', 0o604, ROOT, /^not ok mode 0604: /],
  ['t.o.k'.padEnd(4096), 0o600, ROOT, /^ok .* 4096 bytes$/],
  ['t.o.k'.padEnd(4097), 0o600, ROOT, /^not ok 4097 bytes: xrdcp refuses more than 4096$/],
  ['{"access_token": "t.o.k"}', 0o600, ROOT, /^not ok .* holds JSON: /],
  ['{"access_token": "t.o.k"}', 0o600, HTTPS, /^not ok .* holds JSON: /],
])(
  'a token file with %.20j and mode %i is checked as the client of %s does',
  async (content, mode, url, said) => {
    const checks = await checksOf(content, mode, url)
    expect(checks.map(({ name }) => name)).toEqual(['file'])
    expect(checks.map(({ ok, reason }) => `${ok ? 'ok' : 'not ok'} ${reason}`).join()).toMatch(said)
  },
)

test('the file is not checked for HTTPS clients, nor for a token in the environment', async () => {
  expect(await checksOf('t.o.k', 0o644, HTTPS)).toEqual([])
  const found = await discoveredToken({ env: { BEARER_TOKEN: 't.o.k' }, uid })
  expect(clientChecks(found, operationOf(ROOT, 'read'))).toEqual([])
})
