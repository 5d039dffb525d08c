import { describe, expect, test } from 'vitest'
import { AgentError } from '../protocol/wire/errors.ts'
import { VERSION } from '../protocol/wire/version.ts'
import type { CommandSpec } from './arguments.ts'
import { flag, optionalText, text, wholeNumber } from './option.ts'
import { type ExitOutcome, type Main, run } from './run.ts'
import { testIo } from './test-io.ts'

const options = {
  all: flag('-a, --all', 'All of it'),
  token: optionalText('-o, --token[=OIDC_AT]', 'The token'),
  time: wholeNumber('-t, --time=SECONDS', 'At least so long'),
  audience: text('--aud, --for-audience=AUDIENCE', 'An audience'),
  letter: flag('-x', 'Only a letter'),
  noScheme: flag('--no-custom-uri-scheme-at-all', 'Without a scheme'),
}

const spec: CommandSpec<typeof options> = {
  name: 'tool',
  summary: 'Does things.',
  options,
  operands: { label: 'ACCOUNT', min: 1, max: 1 },
  headings: { audience: 'Advanced' },
}

async function outcome(
  argv: readonly string[],
  main: Main<typeof options> = () => Promise.resolve(undefined),
  runtime: Parameters<typeof testIo>[0] = {},
): Promise<{ status: ExitOutcome; stdout: string; stderr: string }> {
  const io = testIo({ argv, ...runtime })
  const status = await run(spec, main, io)
  return { status, stdout: io.stdout.text, stderr: io.stderr.text }
}

function failsWith(error: Error): Main<typeof options> {
  return () => Promise.reject<undefined>(error)
}

describe('--help, --usage and --version', () => {
  test('--help lists every option by its first name within 79 columns', async () => {
    const { status, stdout, stderr } = await outcome(['--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: tool \[OPTION\.\.\.\] ACCOUNT\n\nDoes things\.\n/)
    expect(stdout).toMatch(/^ {2}-o, --token\[=OIDC_AT\] +The token$/m)
    expect(stdout).toMatch(/^ {6}--aud=AUDIENCE +An audience$/m)
    expect(stdout).toMatch(/^Advanced:$/m)
    expect(stdout).not.toContain('for-audience')
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThan(80)
  })

  test('--usage prints a synopsis', async () => {
    expect((await outcome(['--usage'])).stdout).toBe(
      [
        'Usage: tool [-a] [-o[OIDC_AT]] [-t SECONDS] [--aud=AUDIENCE] [-x]',
        '            [--no-custom-uri-scheme-at-all] [-?] [--usage] [-V] ACCOUNT',
        '',
      ].join('\n'),
    )
  })

  test('--version prints the name and version of the command', async () => {
    expect(await outcome(['-V'])).toEqual({ status: 0, stdout: `tool ${VERSION}\n`, stderr: '' })
  })
})

describe('exit status and errors', () => {
  test('the exit status is 0 unless the command returns another', async () => {
    expect(await outcome(['x'])).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(await outcome(['x'], () => Promise.resolve(7))).toMatchObject({ status: 7 })
  })

  test('a wrong command line ends with status 64 and a hint at --help', async () => {
    expect(await outcome(['--foo'])).toEqual({
      status: 64,
      stdout: '',
      stderr:
        "tool: unrecognized option '--foo'\n" +
        "Try 'tool --help' or 'tool --usage' for more information.\n",
    })
    expect(await outcome([])).toMatchObject({ status: 64 })
    expect(await outcome(['a', 'b'])).toMatchObject({ status: 64 })
  })

  test('an error is printed after "Error:" with its hint below', async () => {
    const error = new AgentError('account-not-loaded', 'account not loaded', { hint: 'run it' })
    expect(await outcome(['x'], failsWith(error))).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Error: account not loaded\nrun it\n',
    })
    const bare = new AgentError('cancelled', 'interrupted')
    expect(await outcome(['x'], failsWith(bare))).toEqual({
      status: 'SIGINT',
      stdout: '',
      stderr: 'Error: interrupted\n',
    })
  })

  test('the message and hint of an error cannot command the terminal', async () => {
    const error = new AgentError('provider-error', 'no\u001b[2J', { hint: 'see\u0007\nhere' })
    expect((await outcome(['x'], failsWith(error))).stderr).toBe('Error: no?[2J\nsee?\nhere\n')
  })

  test('the message and hint of a usage error cannot command the terminal', async () => {
    const error = new AgentError('usage', "no '\u009bx'", { hint: 'see\u202ehere' })
    expect((await outcome(['x'], failsWith(error))).stderr).toBe("tool: no '?x'\nsee?here\n")
  })

  test('the stderr of a command sanitizes its text, except what is written raw', async () => {
    const main: Main<typeof options> = (_args, io) => {
      io.stderr.write('said: \u001b[2J\u2066x\ny\n')
      io.stderr.writeRaw('\u001b[31mred\u001b[0m\n')
      return Promise.resolve(undefined)
    }
    expect((await outcome(['x'], main)).stderr).toBe('said: ?[2J?x\ny\n\u001b[31mred\u001b[0m\n')
  })

  test('an unexpected error is called internal, and has its stack only with OIDC_AGENT_DEBUG', async () => {
    const mistake = failsWith(new TypeError('x is undefined'))
    expect(await outcome(['x'], mistake)).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Error: internal error: x is undefined\n',
    })
    const asked = await outcome(['x'], mistake, { env: { OIDC_AGENT_DEBUG: '1' } })
    expect(asked.stderr).toContain('run.test.ts')
  })
})

describe('colour', () => {
  const red = '\u001b[31mError:\u001b[0m gone\n'
  const plain = 'Error: gone\n'
  const gone = failsWith(new AgentError('network', 'gone'))

  test.each([
    [true, {}, red],
    [false, {}, plain],
    [true, { NO_COLOR: '1' }, plain],
    [true, { NO_COLOR: '' }, red],
    [true, { TERM: 'dumb' }, plain],
    [true, { OIDC_AGENT_NOCOLOR: 'yes' }, plain],
    [true, { OIDC_AGENT_NOCOLOR: '0', NO_COLOR: '1' }, red],
    [false, { OIDC_AGENT_NOCOLOR: '0' }, plain],
  ])(
    'whether stderr is a terminal (%s) and the environment %j decide on colour',
    async (terminal, env, expected) => {
      expect((await outcome(['x'], gone, { env, terminal })).stderr).toBe(expected)
    },
  )
})
