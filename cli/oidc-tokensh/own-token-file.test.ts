import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AgentError } from '../../protocol/wire/errors.ts'
import { OwnTokenFile, renewalTime, retryPauseSeconds } from './own-token-file.ts'

let directory: string
let path: string
let issued: number[]
let failing: boolean
let warnings: string[]
let wasRemoved = 0
let file: OwnTokenFile

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  directory = mkdtempSync(join(tmpdir(), 'own-file-'))
  path = join(directory, 'token')
  issued = []
  failing = false
  warnings = []
  file = new OwnTokenFile({
    path,
    minValidSeconds: 60,
    issue: (seconds) => {
      if (failing) return Promise.reject(new AgentError('network', 'no network'))
      issued.push(seconds)
      return Promise.resolve({
        status: 'success',
        access_token: `token-${issued.length}`,
        issuer: 'https://op.example/',
        expires_at: Math.floor(Date.now() / 1000) + 600,
      })
    },
    now: Date.now,
    warn: (line) => warnings.push(line),
  })
})

afterEach(async () => {
  await file.stop()
  vi.useRealTimers()
  rmSync(directory, { recursive: true })
})

/** Lets time pass, second by second, until something is so; returns the seconds it took. */
async function secondsUntil(isSo: () => boolean): Promise<number> {
  for (let second = 0; second <= 3600; second += 1) {
    if (isSo()) return second
    await vi.advanceTimersByTimeAsync(1000)
    // Disk access goes on in real time: the next look is due when it is over.
    while (vi.getTimerCount() === 0 || issued.length !== written()) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  throw new Error('an hour passed in vain')
}

/** The number of the token in the file, or of the last one if the file was removed. */
const written = (): number => (existsSync(path) ? Number(content().slice(6)) : wasRemoved)
const content = (): string => readFileSync(path, 'utf8').trim()

test('a token file is private, and renewed in time for as long as it is kept', async () => {
  await file.start()
  expect(content()).toBe('token-1')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const size = statSync(path).size
  const seconds = await secondsUntil(() => content() === 'token-2')
  expect(seconds).toBeGreaterThanOrEqual(480)
  expect(seconds).toBeLessThan(600 - 60)
  expect(statSync(path).size).toBe(size)
  // The token outlives the one before.
  expect(issued[1]).toBeGreaterThan(60)
  await file.stop()
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(issued).toHaveLength(2)
  expect(readdirSync(directory)).toEqual(['token'])
})

test('a renewal that fails is reported once and tried again, and an expired token is removed', async () => {
  await file.start()
  failing = true
  expect(await secondsUntil(() => warnings.length > 0)).toBeLessThan(600)
  expect(content()).toBe('token-1')
  await vi.advanceTimersByTimeAsync(600_000)
  while (existsSync(path) || vi.getTimerCount() === 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  wasRemoved = 1
  expect(warnings).toEqual([`could not renew the token in ${path}: no network`])
  failing = false
  expect(await secondsUntil(() => existsSync(path))).toBeLessThanOrEqual(retryPauseSeconds(0) + 1)
  expect(content()).toBe('token-2')
})

test('a file whose first token cannot be had is an error', async () => {
  failing = true
  await expect(file.start()).rejects.toMatchObject({ code: 'network' })
  expect(readdirSync(directory)).toEqual([])
})

test('a token is renewed with the wanted time left, but not before half its life, nor more than once a second', () => {
  expect(renewalTime(1000, 0, 60)).toBe(880)
  expect(renewalTime(1000, 0, 300)).toBe(700)
  expect(renewalTime(100, 0, 60)).toBe(50)
  expect(renewalTime(1000, 999.9, 60)).toBeCloseTo(1000.9)
})

test('several tries fit into the rest of the life of a token', () => {
  expect([400, 100, 2, 0, -5].map(retryPauseSeconds)).toEqual([60, 25, 1, 15, 15])
})
