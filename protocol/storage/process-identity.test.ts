import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { until } from '../../test/support/process-table.ts'
import { identityOfProcess, isAlive } from './process-identity.ts'

let child: ChildProcess | undefined

afterEach(() => {
  child?.kill('SIGKILL')
})

test('a process is itself as long as it runs, whoever reaps it', async () => {
  child = spawn('sleep', ['1000'])
  await once(child, 'spawn')
  const identity = identityOfProcess(child.pid ?? 0)
  if (identity === undefined) throw new Error('it runs')
  expect(isAlive(identity)).toBe(true)
  child.kill('SIGKILL')
  await until('it to be gone', () => !isAlive(identity))
  expect(identityOfProcess(identity.pid)).toBeUndefined()
})

test.skipIf(process.platform !== 'linux')('another process of the same pid is another one', () => {
  const self = identityOfProcess(process.pid)
  expect(self?.started).toMatch(/^\d+$/)
  expect(isAlive({ pid: process.pid, started: '1' })).toBe(false)
})

test('what is no pid is no process', () => {
  for (const pid of [-1, 2 ** 30, 1.5]) expect(identityOfProcess(pid)).toBeUndefined()
})
