import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLog, LogFile } from './log.ts'

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

test('the log file is rotated before it grows beyond its bound, with one old file, readable by its owner only', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  try {
    const file = new LogFile(directory, 100)
    for (let line = 0; line < 1000; line += 1) {
      file.write(`line ${line} of the log\n`)
      await file.settled()
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

test('a line longer than the bound is written to a file of its own', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  try {
    const file = new LogFile(directory, 10)
    file.write('a line that is too long\n')
    file.write('short\n')
    await file.settled()
    expect(readFileSync(join(directory, 'agent.log'), 'utf8')).toBe('short\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('the last line of a process is written at once, after the lines that wait', () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  try {
    const state = join(directory, 'state', 'oidc-agent')
    const file = new LogFile(state)
    for (const line of ['being written\n', 'waiting\n', 'waiting too\n']) file.write(line)
    file.writeNow('last\n')
    expect(readFileSync(join(state, 'agent.log'), 'utf8')).toMatch(/waiting\nwaiting too\nlast\n$/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('lines that a file system does not take in time are counted', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  try {
    const file = new LogFile(directory)
    for (let line = 0; line < 600; line += 1) file.write(`${line}\n`)
    await file.settled()
    const lines = readFileSync(join(directory, 'agent.log'), 'utf8').split('\n')
    expect(lines.slice(-3)).toEqual([
      '500',
      '99 lines were left out: the file system did not answer',
      '',
    ])
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
