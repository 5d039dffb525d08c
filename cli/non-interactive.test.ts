import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AgentError, type ErrorCode, errorCodes } from '../protocol/wire/errors.ts'
import type { CommandSpec } from './arguments.ts'
import { flag } from './option.ts'
import { isNonInteractive, run } from './run.ts'
import { openTerminal } from './terminal.ts'
import { testIo } from './test-io.ts'

const ENV = { OIDC_AGENT_NON_INTERACTIVE: '1' }

/** The rows of the table in docs/ci.md: status → error codes. */
function documented(): ReadonlyMap<number, readonly string[]> {
  const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'ci.md'), 'utf8')
  const rows = [...page.matchAll(/^\| (\d+) \|.*\| (.*) \|$/gm)]
  const codes = (cell: string): string[] =>
    [...cell.matchAll(/`([a-z-]+)`/g)].map(([, c = '']) => c)
  return new Map(rows.map(([, status, cell = '']) => [Number(status), codes(cell)]))
}

describe('exit statuses without a person', () => {
  const codes = Object.keys(errorCodes) as ErrorCode[]

  test('docs/ci.md lists each error code once, at its exit status without a person', () => {
    const rows = documented()
    expect([...rows.values()].flat().sort()).toEqual([...codes].sort())
    for (const [status, row] of rows) {
      expect([status, row.map((code) => errorCodes[code as ErrorCode].withoutPerson)]).toEqual([
        status,
        row.map(() => status),
      ])
    }
  })

  test('the exit status without a person differs from the usual one only if that is the 1 of the C tools', () => {
    const changed = codes.filter(
      (code) => errorCodes[code].exitStatus !== errorCodes[code].withoutPerson,
    )
    expect(new Set(changed.map((code) => errorCodes[code].exitStatus))).toEqual(new Set([1]))
    expect(changed.length).toBeGreaterThan(30)
  })

  const options = { nonInteractive: flag('--non-interactive', 'Do without a person') }
  const spec: CommandSpec<typeof options> = {
    name: 'tool',
    summary: 'Fails.',
    options,
    operands: { label: 'NAME', min: 0, max: 0 },
  }

  test.each([
    [[], {}, 1],
    [[], ENV, 13],
    [['--non-interactive'], {}, 13],
    [[], { OIDC_AGENT_NON_INTERACTIVE: '0' }, 1],
  ])(
    'with the arguments %j and the environment %j a network failure ends with %i',
    async (argv, env, status) => {
      const fail = (): Promise<void> => Promise.reject(new AgentError('network', 'no route'))
      expect(await run(spec, fail, testIo({ argv, env }))).toBe(status)
    },
  )
})

test('a command opens no terminal if it must do without a person', () => {
  expect(isNonInteractive(ENV)).toBe(true)
  expect(isNonInteractive({})).toBe(false)
  expect(() => openTerminal(ENV)).toThrow(
    expect.objectContaining({
      code: 'no-terminal',
      message: 'cannot ask for a password: OIDC_AGENT_NON_INTERACTIVE is set',
    }),
  )
})
