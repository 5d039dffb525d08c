import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLog, fileSink } from './log.ts'

test('the log writes each text as one line, without escape sequences', () => {
  const lines: string[] = []
  const log = createLog((line) => lines.push(line), true)
  log.warn('no\n2026-01-01T00:00:00.000Z oidc-agent[1] warning: forged\r\u009b2J\u202etxt\u2028')
  log.debug('a\u001b]0;title\u0007')
  expect(lines.map((line) => line.replace(/^\S+ oidc-agent\[\d+\] /, ''))).toEqual([
    'warning: no?2026-01-01T00:00:00.000Z oidc-agent[1] warning: forged??2J?txt?\n',
    'debug: a?]0;title?\n',
  ])
})

test('a log without the debug option leaves debug lines out', () => {
  const lines: string[] = []
  createLog((line) => lines.push(line), false).debug('x')
  expect(lines).toEqual([])
})

test('the log file is rotated before it grows beyond its bound, with one old file, readable by its owner only', () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  try {
    const sink = fileSink(directory, 100)
    for (let line = 0; line < 1000; line += 1) {
      sink(`line ${line} of the log\n`)
      for (const name of readdirSync(directory)) {
        expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(100)
      }
    }
    expect(readdirSync(directory).sort()).toEqual(['agent.log', 'agent.log.1'])
    for (const name of readdirSync(directory)) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600)
    }
    const texts = ['agent.log.1', 'agent.log'].map((name) =>
      readFileSync(join(directory, name), 'utf8'),
    )
    expect(texts.join('')).toMatch(/line 998 of the log\nline 999 of the log\n$/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a line longer than the bound is written to a file of its own', () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  try {
    const sink = fileSink(directory, 10)
    sink('a line that is too long\n')
    sink('short\n')
    expect(readFileSync(join(directory, 'agent.log'), 'utf8')).toBe('short\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a fault of one kind is logged with its stack once a minute, and counted in between', () => {
  let now = 0
  const lines: string[] = []
  const log = createLog(
    (line) => lines.push(line.replace(/^\S+ oidc-agent\[\d+\] /, '')),
    false,
    () => now,
  )
  const error = new RangeError('stack')
  for (; now < 60_000; now += 100) log.fault('answering check', error)
  expect(lines).toEqual([
    expect.stringMatching(/^warning: answering check: RangeError .*log\.test\.ts/),
  ])
  log.fault('answering status', error)
  expect(lines).toHaveLength(2)
  log.fault('answering check', error)
  expect(lines).toHaveLength(3)
  expect(lines[2]).toMatch(/ \(and 599 times since it was last logged\)\n$/)
  now += 60_000
  log.fault('answering check', error)
  expect(lines[3]).toBe(lines[0])
})
