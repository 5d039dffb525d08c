import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { withFileLock } from './file-lock.ts'

let base: string
let path: string
let lockPath: string
let built: string
const children = new Set<ChildProcess>()
/** A signal that is never aborted; one for each wait, as Node warns of many listeners on one. */
const never = (): AbortSignal => new AbortController().signal

beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), 'file-lock-built-'))
  await build({
    stdin: {
      // Takes the lock, says so, and keeps it until it is killed.
      contents: `
        import { withFileLock } from './file-lock.ts'
        setInterval(() => undefined, 1000)
        withFileLock(process.argv[2], new AbortController().signal, async () => {
          process.stdout.write('held')
          await new Promise(() => undefined)
        })
      `,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    platform: 'node',
    outfile: join(built, 'holder.cjs'),
  })
})
afterAll(() => rmSync(built, { recursive: true }))

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'file-lock-'))
  path = join(base, 'account')
  lockPath = join(base, '.account.lock')
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  rmSync(base, { recursive: true })
})

/** A process that holds the lock. */
async function holder(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(built, 'holder.cjs'), path])
  children.add(child)
  await once(child.stdout, 'data')
  return child
}

/** Leaves the lock of a process that was killed. */
async function holderThatEnded(): Promise<ChildProcess> {
  rmSync(lockPath, { force: true })
  const child = await holder()
  child.kill('SIGKILL')
  await once(child, 'exit')
  return child
}

/** A lock file as a process on another machine writes it. */
function foreignLock(nonce: string): void {
  const content = { host: 'other.example', boot: 'b', namespace: 'n', pid: 1, started: '1', nonce }
  writeFileSync(lockPath, JSON.stringify(content))
}

test('work under one lock never overlaps, whoever asks for it', async () => {
  let running = 0
  let most = 0
  const order: number[] = []
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      withFileLock(path, never(), async ({ state }) => {
        expect(state).toBe('held')
        running += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setImmediate(resolve))
        order.push(index)
        running -= 1
      }),
    ),
  )
  expect(most).toBe(1)
  expect(order).toHaveLength(20)
  expect(readdirSync(base)).toEqual([])
})

test('the lock names its holder and is gone after the work, also where the work fails', async () => {
  const failure = withFileLock(path, never(), () => {
    const content = JSON.parse(readFileSync(lockPath, 'utf8')) as Record<string, unknown>
    expect(content).toMatchObject({ host: hostname(), pid: process.pid })
    return Promise.reject(new Error('work'))
  })
  await expect(failure).rejects.toThrow('work')
  expect(existsSync(lockPath)).toBe(false)
})

test('a lock whose holder was killed on this machine is broken at once', async () => {
  const child = await holder()
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(existsSync(lockPath)).toBe(true)
  await withFileLock(path, never(), () => Promise.resolve())
  expect(readdirSync(base)).toEqual([])
})

test('a lock whose holder lives is waited for, and the wait ends with its signal', async () => {
  await holder()
  const impatient = AbortSignal.timeout(200)
  await expect(withFileLock(path, impatient, () => Promise.resolve())).rejects.toThrow()
  expect(existsSync(lockPath)).toBe(true)
})

/** Work during which the directory goes away, as when a Kerberos ticket expires: its lock stays. */
async function leaveLock(touchMs: number): Promise<void> {
  const away = `${base}-away`
  const work = (): Promise<void> => {
    renameSync(base, away)
    writeFileSync(base, '')
    return Promise.resolve()
  }
  await withFileLock(path, never(), work, { touchMs })
  rmSync(base)
  renameSync(away, base)
}

test('a lock of this process that could not be removed is broken by the next work of this process', async () => {
  await leaveLock(60_000)
  expect(existsSync(lockPath)).toBe(true)
  const state = await withFileLock(path, never(), (lock) => Promise.resolve(lock.state))
  expect(state).toBe('held')
  expect(readdirSync(base)).toEqual([])
})

test('a lock that could not be removed is removed later', async () => {
  await leaveLock(5)
  await expect.poll(() => readdirSync(base), { interval: 5 }).toEqual([])
})

test.skipIf(process.getuid?.() === 0)(
  'an abandoned lock in a read-only directory does not keep the work from being done',
  async () => {
    const child = await holderThatEnded()
    expect(existsSync(lockPath)).toBe(true)
    chmodSync(base, 0o500)
    const lock = await withFileLock(path, AbortSignal.timeout(5_000), (state) =>
      Promise.resolve(state),
    ).finally(() => chmodSync(base, 0o700))
    expect(lock.state).toBe('unavailable')
    expect(child.killed).toBe(true)
  },
)

describe('a lock of another machine', () => {
  test('that is fresh is waited for', async () => {
    foreignLock('x')
    const impatient = AbortSignal.timeout(200)
    await expect(withFileLock(path, impatient, () => Promise.resolve())).rejects.toThrow()
    expect(readFileSync(lockPath, 'utf8')).toContain('"nonce":"x"')
  })

  test('that was not touched for longer than allowed is broken', async () => {
    foreignLock('x')
    const before = new Date(Date.now() - 61_000)
    utimesSync(lockPath, before, before)
    await withFileLock(path, never(), () => Promise.resolve())
    expect(readdirSync(base)).toEqual([])
  })
})

test('a holder touches its lock, so that a long piece of work keeps it', async () => {
  const held = withFileLock(
    path,
    never(),
    async () => {
      const before = new Date(Date.now() - 3_600_000)
      utimesSync(lockPath, before, before)
      // The waiter would break the lock if the holder did not touch it before the waiter asks the clock.
      await new Promise<void>((resolve) => {
        const look = setInterval(() => {
          if (Date.now() - statSync(lockPath).mtimeMs > 60_000) return
          clearInterval(look)
          resolve()
        }, 5)
      })
      const impatient = AbortSignal.timeout(150)
      await expect(
        withFileLock(path, impatient, () => Promise.resolve(), { staleMs: 10_000 }),
      ).rejects.toThrow()
    },
    { touchMs: 20 },
  )
  await held
})

test('where the directory is gone the work is done without a lock, and is told why', async () => {
  const gone = join(base, 'gone', 'account')
  const lock = await withFileLock(gone, never(), (state) => Promise.resolve(state))
  expect(lock).toEqual({ state: 'unavailable', reason: expect.stringMatching(/./) as string })
})

test.skipIf(process.getuid?.() === 0)('a read-only directory gives no lock', async () => {
  chmodSync(base, 0o500)
  const lock = await withFileLock(path, never(), (state) => Promise.resolve(state))
  chmodSync(base, 0o700)
  expect(lock.state).toBe('unavailable')
})

test('a name too long for the names beside it is shortened, and still locked', async () => {
  path = join(base, 'n'.repeat(255))
  await withFileLock(path, never(), ({ state }) => {
    expect(state).toBe('held')
    expect(readdirSync(base)).toHaveLength(1)
    return Promise.resolve()
  })
})
