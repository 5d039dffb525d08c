import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AgentError } from '../protocol/wire/errors.ts'
import { type CommandSpec, parseArgv } from './arguments.ts'
import {
  choices,
  flag,
  type Options,
  optionalNumber,
  optionalText,
  text,
  texts,
  wholeNumber,
} from './option.ts'

const options = {
  all: flag('-a, --all', 'All of it'),
  env: flag('-c, --env', 'As variables'),
  token: optionalText('-o, --token[=OIDC_AT]', 'The token'),
  issuer: optionalText('-i, --issuer[=OIDC_ISS]', 'The issuer'),
  time: wholeNumber('-t, --time=SECONDS', 'At least so long'),
  scope: texts('-s, --scope=SCOPE', 'A scope'),
  audience: text('--aud, --for-audience=AUDIENCE', 'An audience'),
  flow: choices('-w, --flow=code|device', ['code', 'device'], 'A flow'),
  store: optionalNumber('--pw-store[=SECONDS]', 'Keep the password'),
  noScheme: flag('--no-scheme', 'Without a scheme'),
}

const spec: CommandSpec<typeof options> = {
  name: 'tool',
  summary: 'Does things.',
  options,
  operands: { label: 'ACCOUNT', min: 0, max: 9 },
}

function read(...argv: string[]): { options: object; operands: readonly string[] } {
  const parsed = parseArgv(spec, argv)
  if (parsed.kind !== 'run') throw new Error(`it was read as --${parsed.kind}`)
  return parsed.args
}

function refusal(...argv: string[]): string {
  try {
    parseArgv(spec, argv)
  } catch (error) {
    if (error instanceof AgentError && error.code === 'usage') return error.message
    throw error
  }
  throw new Error('it was accepted')
}

describe('a command line by the rules of GNU argp', () => {
  test('options and operands may mix, and an option that is not given has its absent value', () => {
    expect(read('one', '-a', 'two')).toMatchObject({
      options: { all: true },
      operands: ['one', 'two'],
    })
    expect(read()).toMatchObject({ options: { all: false, scope: [], flow: [] }, operands: [] })
  })

  test('an optional argument must be attached to its option', () => {
    expect(read('-o', 'wlcg')).toMatchObject({ options: { token: true }, operands: ['wlcg'] })
    expect(read('--token', 'wlcg')).toMatchObject({ options: { token: true }, operands: ['wlcg'] })
    expect(read('-oX', 'wlcg')).toMatchObject({ options: { token: 'X' }, operands: ['wlcg'] })
    expect(read('--token=X')).toMatchObject({ options: { token: 'X' } })
    expect(read('--token=')).toMatchObject({ options: { token: '' } })
    expect(read('--pw-store', '5')).toMatchObject({ options: { store: true }, operands: ['5'] })
    expect(read('--pw-store=5')).toMatchObject({ options: { store: 5 } })
  })

  test('a required argument is the next word, even if it begins with a dash', () => {
    expect(read('-s', '-a', '--scope', '--', 'x')).toMatchObject({
      options: { scope: ['-a', '--'], all: false },
      operands: ['x'],
    })
    expect(read('--aud=')).toMatchObject({ options: { audience: '' } })
  })

  test('short options may be clustered; the rest of the word is the argument of the first that has one', () => {
    expect(read('-acoie')).toMatchObject({ options: { all: true, env: true, token: 'ie' } })
    expect(read('-at60', 'x')).toMatchObject({ options: { all: true, time: 60 }, operands: ['x'] })
  })

  test('a long name may be abbreviated while it is unambiguous', () => {
    expect(read('--sc=a', '--scop', 'b')).toMatchObject({ options: { scope: ['a', 'b'] } })
    expect(refusal('--t=1')).toBe("option '--t' is ambiguous; possibilities: '--token' '--time'")
    // Both are names of one option: not ambiguous.
    expect(read('--for', 'x')).toMatchObject({ options: { audience: 'x' } })
  })

  test('the word -- ends the options, and - is an operand', () => {
    expect(read('-', '--', '-a', '--')).toMatchObject({
      options: { all: false },
      operands: ['-', '-a', '--'],
    })
  })

  test('the last occurrence of an option counts, and all of a repeatable one', () => {
    expect(read('--aud=a', '--aud', 'b', '-wdevice', '-w', 'code')).toMatchObject({
      options: { audience: 'b', flow: ['device', 'code'] },
    })
  })

  test('the prefix no- of an option name has no special meaning', () => {
    expect(read('--no-scheme')).toMatchObject({ options: { noScheme: true } })
  })

  test.each([
    [['--foo'], "unrecognized option '--foo'"],
    [['--=x'], "unrecognized option '--'"],
    [['-aZ'], "invalid option -- 'Z'"],
    [['--all=1'], "option '--all' doesn't allow an argument"],
    [['--time'], "option '--time' requires an argument"],
    [['-at'], "option requires an argument -- 't'"],
    [['-t', '5s'], "--time: '5s' is not a whole number"],
    [['-t', '-5'], "--time: '-5' is not a whole number"],
    [['-t', '99999999999999999999'], "--time: '99999999999999999999' is not a whole number"],
    [['--pw-store=x'], "--pw-store: 'x' is not a whole number"],
    [['-w', 'implicit'], "--flow: 'implicit' is not one of code, device"],
  ])('the command line %j is a usage error', (argv, message) => {
    expect(refusal(...argv)).toBe(message)
  })
})

test('too few or too many operands are a usage error', () => {
  const one = { ...spec, operands: { label: 'ACCOUNT', min: 1, max: 1 } }
  expect(() => parseArgv(one, ['-a'])).toThrow('missing argument: ACCOUNT')
  expect(() => parseArgv(one, ['a', 'b'])).toThrow("unexpected argument 'b'")
})

test('with stopAtOperand the words after the first operand are operands', () => {
  const wrapper = { ...spec, stopAtOperand: true }
  const parsed = parseArgv(wrapper, ['-a', 'env', '-c', '--help', '--'])
  expect(parsed).toMatchObject({
    args: { options: { all: true, env: false }, operands: ['env', '-c', '--help', '--'] },
  })
})

test.each([
  ['-?', 'help'],
  ['-h', 'help'],
  ['-ah', 'help'],
  ['--he', 'help'],
  ['--usage', 'usage'],
  ['-V', 'version'],
  ['--version', 'version'],
])('the option %s prints the %s, whatever follows it', (word, kind) => {
  expect(parseArgv(spec, [word, '--nonsense'])).toEqual({ kind })
})

test('an error before --help is reported instead of the help', () => {
  expect(refusal('--nonsense', '--help')).toContain('nonsense')
})

/** An option as it was meant: its key and its argument. */
interface Meant {
  readonly key: keyof typeof options
  readonly raw: string | undefined
}

const word = fc.stringMatching(/^[a-z0-9=:/ -]{1,8}$/)
const meant: fc.Arbitrary<Meant> = fc.oneof(
  fc.record({ key: fc.constantFrom('all', 'env', 'noScheme'), raw: fc.constant(undefined) }),
  fc.record({
    key: fc.constantFrom('token', 'issuer'),
    raw: fc.option(word, { nil: undefined }),
  }),
  fc.record({ key: fc.constantFrom('scope', 'audience'), raw: word }),
  fc.record({ key: fc.constant('time'), raw: fc.nat().map(String) }),
)

/** Any of the ways to spell what was meant. */
function spelled({ key, raw }: Meant): fc.Arbitrary<readonly string[]> {
  const option: Options[string] = options[key]
  const longs = option.longs.flatMap((long) => shortened(long).map((name) => `--${name}`))
  const shorts = option.shorts.map((short) => `-${short}`)
  if (raw === undefined) return fc.constantFrom(...longs, ...shorts).map((name) => [name])
  const attached = [
    ...longs.map((name) => [`${name}=${raw}`]),
    ...shorts.map((name) => [name + raw]),
  ]
  const apart =
    option.argument === 'optional' ? [] : [...longs, ...shorts].map((name) => [name, raw])
  return fc.constantFrom(...attached, ...apart)
}

/** The beginnings of a long name that mean no other option. */
function shortened(long: string): string[] {
  const others = [
    ...Object.values<Options[string]>(options).flatMap(({ longs }) => longs),
    'help',
    'usage',
    'version',
  ]
  const beginnings = Array.from(long, (_, at) => long.slice(0, at + 1))
  return beginnings.filter((name) => others.filter((other) => other.startsWith(name)).length === 1)
}

const operand = fc.stringMatching(/^[a-z][a-z0-9:/.-]{0,8}$/)

test('every spelling of the same options, mixed with operands in any order, has the same values', () => {
  const commandLine = fc.tuple(
    fc.array(meant, { maxLength: 6 }),
    fc.array(operand, { maxLength: 3 }),
  )
  const spellings = commandLine.chain(([all, operands]) =>
    fc.record({
      all: fc.constant(all),
      operands: fc.constant(operands),
      one: fc.tuple(...all.map(spelled)),
      other: fc.tuple(...all.map(spelled)),
      places: fc.array(fc.nat({ max: all.length }), {
        minLength: operands.length,
        maxLength: operands.length,
      }),
    }),
  )
  fc.assert(
    fc.property(spellings, ({ all, operands, one, other, places }) => {
      const mixed: string[] = []
      const sorted = places.toSorted((a, b) => a - b)
      let placed = 0
      for (let at = 0; at <= other.length; at++) {
        while (placed < operands.length && sorted[placed] === at)
          mixed.push(operands[placed++] ?? '')
        mixed.push(...(other[at] ?? []))
      }
      const plain = read(...one.flat(), '--', ...operands)
      expect(read(...mixed)).toEqual(plain)
      expect(plain.operands).toEqual(operands)
      expect(plain.options).toMatchObject({
        scope: all.filter(({ key }) => key === 'scope').map(({ raw }) => raw),
        all: all.some(({ key }) => key === 'all'),
      })
    }),
  )
})

test('no command line causes another error than a usage error', () => {
  const anything = fc.array(fc.oneof(fc.string(), fc.stringMatching(/^--?[a-z]*=?$/)))
  fc.assert(
    fc.property(anything, (argv) => {
      try {
        parseArgv(spec, argv)
      } catch (error) {
        expect(error).toBeInstanceOf(AgentError)
        expect(error).toMatchObject({ code: 'usage' })
      }
    }),
  )
})
