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

describe('as GNU argp does', () => {
  test('options and operands mix, and nothing given is nothing set', () => {
    expect(read('one', '-a', 'two')).toMatchObject({
      options: { all: true },
      operands: ['one', 'two'],
    })
    expect(read()).toMatchObject({ options: { all: false, scope: [], flow: [] }, operands: [] })
  })

  test('an optional argument counts only when attached', () => {
    expect(read('-o', 'wlcg')).toMatchObject({ options: { token: true }, operands: ['wlcg'] })
    expect(read('--token', 'wlcg')).toMatchObject({ options: { token: true }, operands: ['wlcg'] })
    expect(read('-oX', 'wlcg')).toMatchObject({ options: { token: 'X' }, operands: ['wlcg'] })
    expect(read('--token=X')).toMatchObject({ options: { token: 'X' } })
    expect(read('--token=')).toMatchObject({ options: { token: '' } })
    expect(read('--pw-store', '5')).toMatchObject({ options: { store: true }, operands: ['5'] })
    expect(read('--pw-store=5')).toMatchObject({ options: { store: 5 } })
  })

  test('a required argument is the next word whatever it looks like', () => {
    expect(read('-s', '-a', '--scope', '--', 'x')).toMatchObject({
      options: { scope: ['-a', '--'], all: false },
      operands: ['x'],
    })
    expect(read('--aud=')).toMatchObject({ options: { audience: '' } })
  })

  test('letters cluster; the rest of the word is the argument of the first that takes one', () => {
    expect(read('-acoie')).toMatchObject({ options: { all: true, env: true, token: 'ie' } })
    expect(read('-at60', 'x')).toMatchObject({ options: { all: true, time: 60 }, operands: ['x'] })
  })

  test('long names may be shortened while one option is meant', () => {
    expect(read('--sc=a', '--scop', 'b')).toMatchObject({ options: { scope: ['a', 'b'] } })
    expect(refusal('--t=1')).toBe("option '--t' is ambiguous; possibilities: '--token' '--time'")
    // Both names of one option: no doubt which is meant.
    expect(read('--for', 'x')).toMatchObject({ options: { audience: 'x' } })
  })

  test('-- ends the options, - is an operand', () => {
    expect(read('-', '--', '-a', '--')).toMatchObject({
      options: { all: false },
      operands: ['-', '-a', '--'],
    })
  })

  test('the last of a single option counts, all of a repeatable one', () => {
    expect(read('--aud=a', '--aud', 'b', '-wdevice', '-w', 'code')).toMatchObject({
      options: { audience: 'b', flow: ['device', 'code'] },
    })
  })

  test('a name starting with no- is a name like another', () => {
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
    [['-w', 'implicit'], "--flow: 'implicit' is none of code, device"],
  ])('%j is refused', (argv, message) => {
    expect(refusal(...argv)).toBe(message)
  })
})

test('too few or too many operands are refused', () => {
  const one = { ...spec, operands: { label: 'ACCOUNT', min: 1, max: 1 } }
  expect(() => parseArgv(one, ['-a'])).toThrow('missing argument: ACCOUNT')
  expect(() => parseArgv(one, ['a', 'b'])).toThrow("unexpected argument 'b'")
})

test('with stopAtOperand all after the first operand is its own', () => {
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
])('%s asks for %s, whatever follows', (word, kind) => {
  expect(parseArgv(spec, [word, '--nonsense'])).toEqual({ kind })
})

test('an error before --help comes first', () => {
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

test('every spelling of the same options, mixed with operands in any way, reads the same', () => {
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

test('nothing typed makes it fail otherwise than as a usage error', () => {
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
