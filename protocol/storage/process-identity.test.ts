import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../../test/support/process-table.ts'
import { identityOfProcess, isAlive } from './process-identity.ts'

let child: ChildProcess | undefined

afterEach(() => {
  child?.kill('SIGKILL')
})

test('a process keeps its identity as long as it runs, and has none when it has ended', async () => {
  child = spawn('sleep', ['1000'])
  await once(child, 'spawn')
  const identity = identityOfProcess(child.pid ?? 0)
  if (identity === undefined) throw new Error('it runs')
  expect(isAlive(identity)).toBe(true)
  child.kill('SIGKILL')
  await until('it to be gone', () => !isAlive(identity))
  expect(identityOfProcess(identity.pid)).toBeUndefined()
})

test.skipIf(process.platform !== 'linux')(
  'another process with the same pid has another identity',
  () => {
    const self = identityOfProcess(process.pid)
    expect(self?.started).toMatch(/^\d+$/)
    expect(isAlive({ pid: process.pid, started: '1' })).toBe(false)
  },
)

test.skipIf(process.platform !== 'linux')(
  'a process that has ended but whose parent has not noticed has no identity',
  async () => {
    child = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 1000'])
    if (child.stdout === null) throw new Error('it has an output')
    const [output] = (await once(child.stdout, 'data')) as [Buffer]
    const pid = Number(output.toString())
    const state = (): string | undefined => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2]
    await until('it to have ended', () => state() === 'Z')
    expect(identityOfProcess(pid)).toBeUndefined()
  },
)

describe('on a system without /proc', () => {
  const { platform } = process
  beforeEach(() => {
    Object.defineProperty(process, 'platform', { value: 'darwin' })
  })
  afterEach(() => {
    Object.defineProperty(process, 'platform', { value: platform })
  })

  test('on a system without /proc a process is known by its pid alone, and has ended without it', async () => {
    child = spawn('sleep', ['1000'])
    await once(child, 'spawn')
    const pid = child.pid ?? 0
    expect(identityOfProcess(pid)).toEqual({ pid, started: '' })
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    expect(identityOfProcess(pid)).toBeUndefined()
  })

  test("on a system without /proc another user's process is alive", () => {
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(identityOfProcess(1)).toEqual({ pid: 1, started: '' })
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })
})

test('a number that is not a pid has no process identity', () => {
  for (const pid of [-1, 2 ** 30, 1.5]) expect(identityOfProcess(pid)).toBeUndefined()
})
