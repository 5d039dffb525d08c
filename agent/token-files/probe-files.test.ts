import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ProbeFiles } from './probe-files.ts'

const uid = process.geteuid?.() ?? 0

let home: string
let path: string
let probes: ProbeFiles

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  home = mkdtempSync(join(tmpdir(), 'probe-'))
  path = join(home, 'bt_u0')
  probes = new ProbeFiles(uid)
})

afterEach(async () => {
  await probes.close()
  vi.useRealTimers()
  rmSync(home, { recursive: true, force: true })
})

/** What a client reads. */
async function made(): Promise<string> {
  return readFileSync(join(home, await probes.make(path)), 'utf8')
}

const notProved = {
  code: 'file-unwritable',
  message: expect.stringContaining('did not show that this is its file system') as string,
}

test('a probe file is private, random, beside the token file, and gone once its content has come back', async () => {
  const name = await probes.make(path)
  expect(name).toMatch(/^\.bt_u0\.\d+\.\d+\.tmp$/)
  expect(statSync(join(home, name)).mode & 0o777).toBe(0o600)
  const content = readFileSync(join(home, name), 'utf8')
  expect(content).toMatch(/^[0-9a-f]{64}$/)
  expect(await made()).not.toBe(content)
  await probes.redeem(path, content)
  expect(readdirSync(home)).not.toContain(name)
})

test('a token file is refused without the content, with another one, for another path and the second time', async () => {
  const content = await made()
  await expect(probes.redeem(path, undefined)).rejects.toMatchObject(notProved)
  await expect(probes.redeem(path, '0'.repeat(64))).rejects.toMatchObject(notProved)
  await expect(probes.redeem(`${path}-other`, content)).rejects.toMatchObject(notProved)
  await probes.redeem(path, content)
  await expect(probes.redeem(path, content)).rejects.toMatchObject(notProved)
})

test('a token file is refused if its directory is another one by now', async () => {
  const inner = join(home, 'inner')
  mkdirSync(inner)
  const name = await probes.make(join(inner, 'token'))
  const content = readFileSync(join(inner, name), 'utf8')
  renameSync(inner, join(home, 'moved'))
  mkdirSync(inner)
  await expect(probes.redeem(join(inner, 'token'), content)).rejects.toMatchObject(notProved)
})

test('a token file is refused if the probe file was replaced by another file or a link', async () => {
  for (const replace of [
    (probe: string) => writeFileSync(probe, 'x'.repeat(64)),
    (probe: string) => {
      renameSync(probe, `${probe}.moved`)
      symlinkSync(`${probe}.moved`, probe)
    },
  ]) {
    const name = await probes.make(path)
    const content = readFileSync(join(home, name), 'utf8')
    replace(join(home, name))
    await expect(probes.redeem(path, content)).rejects.toMatchObject(notProved)
  }
})

test('a probe file that nobody read is removed after ten seconds, and its content counts no more', async () => {
  const content = await made()
  await vi.advanceTimersByTimeAsync(10_000)
  await vi.waitUntil(() => readdirSync(home).length === 0)
  await expect(probes.redeem(path, content)).rejects.toMatchObject(notProved)
})

test('probe files are removed when the agent ends', async () => {
  await made()
  await made()
  await probes.close()
  expect(readdirSync(home)).toEqual([])
})

test('no probe file is made where no token file would be written', async () => {
  await expect(probes.make(join(home, 'missing', 'token'))).rejects.toMatchObject({
    code: 'file-unwritable',
    message: expect.stringContaining('no such file or directory') as string,
  })
  chmodSync(home, 0o777)
  await expect(probes.make(path)).rejects.toMatchObject({
    message: expect.stringContaining('other users can write in its directory') as string,
  })
})

test('more than a hundred clients that read no probe file are refused', async () => {
  for (let count = 0; count < 100; count += 1) await probes.make(path)
  await expect(probes.make(path)).rejects.toMatchObject({ code: 'agent-busy' })
})
