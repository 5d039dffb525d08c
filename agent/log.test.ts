import { expect, test } from 'vitest'
import { createLog } from './log.ts'

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
