import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { shellQuote } from '../../protocol/wire/text.ts'
import { secondUser } from '../../test/support/command.ts'
import { checkTokenFile, removeTokenFile, writeTokenFile } from './token-file.ts'

const uid = process.geteuid?.() ?? 0
const old = 'old'.repeat(200)
const fresh = 'new'.repeat(240)

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'token-file-'))
  path = join(directory, 'bt_u0')
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

function tokenInFile(): string {
  return readFileSync(path, 'utf8').trim()
}

describe('writing', () => {
  test.each([0o000, 0o022, 0o077, 0o777])(
    'a token file is written with mode 0600 under umask %o',
    async (umask) => {
      const before = process.umask(umask)
      try {
        await writeTokenFile(path, old, uid)
      } finally {
        process.umask(before)
      }
      expect(lstatSync(path).mode & 0o7777).toBe(0o600)
      expect(tokenInFile()).toBe(old)
    },
  )

  test('a written token replaces the old one, whatever the mode of its file, and leaves no other file', async () => {
    writeFileSync(path, `${old}\n`, { mode: 0o644 })
    await writeTokenFile(path, fresh, uid)
    expect(tokenInFile()).toBe(fresh)
    expect(lstatSync(path).mode & 0o7777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['bt_u0'])
  })

  test('a symbolic link is not followed, and its target stays unchanged', async () => {
    const other = join(directory, 'other')
    writeFileSync(other, `${old}\n`)
    symlinkSync(other, path)
    await expect(writeTokenFile(path, fresh, uid)).rejects.toThrow(/it is a symbolic link/)
    expect(readFileSync(other, 'utf8')).toBe(`${old}\n`)
    expect(lstatSync(path).isSymbolicLink()).toBe(true)
  })

  test('a FIFO is not waited for, and a directory is neither written into nor replaced', async () => {
    expect(spawnSync('sh', ['-c', 'mkfifo "$0"', path]).status).toBe(0)
    await expect(writeTokenFile(path, fresh, uid)).rejects.toThrow(/not a regular file/)
    rmSync(path)
    mkdirSync(path)
    await expect(writeTokenFile(path, fresh, uid)).rejects.toThrow(/not a regular file/)
    expect(readdirSync(path)).toEqual([])
  })

  test.each(['two words\n', 'x'.repeat(5000), 'a\nb\n'])(
    'a file that holds something other than a token is left unchanged',
    async (text) => {
      writeFileSync(path, text)
      await expect(writeTokenFile(path, fresh, uid)).rejects.toMatchObject({
        code: 'file-unwritable',
      })
      expect(readFileSync(path, 'utf8')).toBe(text)
    },
  )

  test.each([0o777, 0o775, 0o757])(
    'no token is written into a directory of mode %o',
    async (mode) => {
      chmodSync(directory, mode)
      await expect(writeTokenFile(path, fresh, uid)).rejects.toMatchObject({
        message: expect.stringContaining('other users can write in its directory') as string,
        hint: `chmod go-w ${shellQuote(directory)}`,
      })
      expect(readdirSync(directory)).toEqual([])
      // Like /tmp: there a user cannot remove or rename a file of another user.
      chmodSync(directory, mode | 0o1000)
      await writeTokenFile(path, fresh, uid)
    },
  )

  test('a token that is too long changes nothing', async () => {
    await writeTokenFile(path, old, uid)
    await expect(writeTokenFile(path, 'x'.repeat(4096), uid)).rejects.toThrow(/4096 bytes/)
    expect(tokenInFile()).toBe(old)
    expect(readdirSync(directory)).toEqual(['bt_u0'])
  })

  const asRoot = secondUser === undefined ? ' (skipped: needs root)' : ''
  test.skipIf(secondUser === undefined)(
    `no token is written over another user's file or into another user's directory${asRoot}`,
    async () => {
      const { uid: other, gid } = secondUser ?? { uid: 0, gid: 0 }
      writeFileSync(path, `${old}\n`)
      chownSync(path, other, gid)
      await expect(writeTokenFile(path, fresh, uid)).rejects.toThrow(/belongs to another user/)
      await removeTokenFile(path, uid)
      expect(tokenInFile()).toBe(old)
      rmSync(path)
      chownSync(directory, other, gid)
      await expect(writeTokenFile(path, fresh, uid)).rejects.toThrow(
        /its directory belongs to another user/,
      )
      expect(readdirSync(directory)).toEqual([])
    },
  )
})

describe('removing', () => {
  test('removing takes the file that was written, and no other file in its place', async () => {
    const identity = await writeTokenFile(path, old, uid)
    await writeTokenFile(path, fresh, uid)
    await removeTokenFile(path, uid, identity)
    expect(tokenInFile()).toBe(fresh)
    await removeTokenFile(path, uid)
    expect(readdirSync(directory)).toEqual([])
    await removeTokenFile(path, uid)
  })

  test('removing takes no link and no directory', async () => {
    symlinkSync('/nonexistent', path)
    await removeTokenFile(path, uid)
    expect(readdirSync(directory)).toEqual(['bt_u0'])
  })
})

/** A program of its own, made of this code, that writes the two tokens in turn until it is killed. */
async function buildWriter(): Promise<string> {
  const script = join(directory, 'writer.cjs')
  await build({
    stdin: {
      contents: `
        import { checkTokenFile, writeTokenFile } from './token-file.ts'
        const [path, ...tokens] = process.argv.slice(2)
        const uid = process.geteuid()
        void (async () => {
          await checkTokenFile(path, uid)
          for (let round = 0; ; round += 1) {
            await writeTokenFile(path, tokens[round % tokens.length], uid)
            if (round === 0) process.stdout.write('writing')
          }
        })()`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: script,
  })
  return script
}

const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

function startNode(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  return child
}

test('a writer that is killed at any point leaves a whole token, and the next writer removes its temporary file', async () => {
  const script = await buildWriter()
  const place = join(directory, 'place')
  mkdirSync(place)
  path = join(place, 'bt_u0')
  let litter = 0
  // Until some were killed between the temporary file and its rename, which is what this is about.
  for (let round = 0; round < 6 || (litter === 0 && round < 50); round += 1) {
    const child = startNode(script, path, old, fresh)
    await once(child.stdout ?? child, 'data')
    // Anywhere in the write that goes on then: it takes some milliseconds.
    await pause(Math.random() * 8)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect([old, fresh]).toContain(tokenInFile())
    litter += readdirSync(place).length - 1
    await checkTokenFile(path, uid)
    expect(readdirSync(place)).toEqual(['bt_u0'])
  }
  expect(litter).toBeGreaterThan(0)
}, 120_000)

test('readers never see an empty, partial or missing file while it is renewed 250 times', async () => {
  // As XRootD's client reads: as many bytes as the file's size was a moment before.
  const reader = `
    const fs = require('node:fs')
    const seen = new Set()
    let stop = false, reads = 0
    process.once('SIGTERM', () => { stop = true })
    const look = () => {
      for (let i = 0; i < 50; i += 1) {
        const whole = fs.readFileSync(process.argv[1], 'latin1')
        const { size, mode } = fs.statSync(process.argv[1])
        const fd = fs.openSync(process.argv[1])
        const buffer = Buffer.alloc(size)
        const read = fs.readSync(fd, buffer)
        fs.closeSync(fd)
        for (const text of [whole, buffer.toString('latin1', 0, read)]) {
          const token = text.trim()
          const [, number, length] = /^t-(\\d+)-(\\d+)-x*$/.exec(token) ?? []
          if (token.length !== Number(length)) throw new Error('cut: ' + JSON.stringify(text))
          seen.add(number)
        }
        if ((mode & 0o777) !== 0o600) throw new Error('mode')
        reads += 1
      }
      if (stop) console.log(JSON.stringify({ reads, seen: seen.size }))
      else setImmediate(look)
    }
    console.log('reading')
    look()`
  /** Says its number and its length, which varies as that of real ones does. */
  const numbered = (number: number): string => {
    const length = 690 + ((number * 7) % 40)
    return `t-${number}-${length}-`.padEnd(length, 'x')
  }
  await writeTokenFile(path, numbered(0), uid)
  const child = startNode('-e', reader, path)
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await once(child.stdout ?? child, 'data')
  for (let round = 1; round <= 250; round += 1) await writeTokenFile(path, numbered(round), uid)
  child.kill('SIGTERM')
  expect(await once(child, 'close')).toEqual([0, null])
  const { reads, seen } = JSON.parse(output.split('\n')[1] ?? '') as { reads: number; seen: number }
  expect(reads).toBeGreaterThan(1000)
  // It was really renewed under their eyes.
  expect(seen).toBeGreaterThan(50)
}, 120_000)
