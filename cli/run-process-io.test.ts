import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { VERSION } from '../protocol/wire/version.ts'

let directory: string
let program: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'oidc-process-'))
  program = join(directory, 'oidc-token.cjs')
  await build({
    entryPoints: [join(import.meta.dirname, 'oidc-token', 'main.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  })
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function outcome(
  argv: readonly string[],
  stdout: 'pipe' | 'closed pipe' | number,
  stderr: 'pipe' | number = 'pipe',
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, ...argv], {
    stdio: ['ignore', typeof stdout === 'number' ? stdout : 'pipe', stderr],
    timeout: 10_000,
  })
  if (stdout === 'closed pipe') child.stdout?.destroy()
  const [out, err] = await Promise.all([
    stdout === 'pipe' && child.stdout !== null ? text(child.stdout) : '',
    child.stderr === null ? '' : text(child.stderr),
    once(child, 'close'),
  ])
  for (const output of [stdout, stderr]) if (typeof output === 'number') closeSync(output)
  return { status: child.exitCode, stdout: out, stderr: err }
}

test('a command process writes its output and ends with its exit status', async () => {
  expect(await outcome(['-V'], 'pipe')).toEqual({
    status: 0,
    stdout: `oidc-token ${VERSION}\n`,
    stderr: '',
  })
  expect(await outcome([], 'pipe')).toMatchObject({ status: 64, stdout: '' })
})

test('a command process is silent if the reader of its output has ended', async () => {
  expect(await outcome(['--help'], 'closed pipe')).toMatchObject({ status: 0, stderr: '' })
})

test.skipIf(!existsSync('/dev/full'))(
  'a command process reports that its output is lost',
  async () => {
    expect(await outcome(['-V'], openSync('/dev/full', 'w'))).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Error: output lost: ENOSPC: no space left on device, write\n',
    })
  },
)

test.skipIf(!existsSync('/dev/full'))(
  'a command process ends with status 1 if its stderr is lost, too',
  async () => {
    const full = (): number => openSync('/dev/full', 'w')
    expect(await outcome(['--nonsense'], 'pipe', full())).toMatchObject({ status: 1, stdout: '' })
    expect(await outcome(['-V'], full(), full())).toMatchObject({ status: 1 })
  },
)
