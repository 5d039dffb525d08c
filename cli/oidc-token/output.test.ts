import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseArgv } from '../arguments.ts'
import { oidcToken } from './options.ts'
import { outputOf, printed } from './output.ts'

const reply = {
  status: 'success',
  access_token: 'TOKEN',
  issuer: 'https://issuer.example/',
  expires_at: 1700000000,
} as const

function output(...argv: string[]): string {
  const parsed = parseArgv(oidcToken, [...argv, 'wlcg'])
  if (parsed.kind !== 'run') throw new Error('not a command line to run')
  return printed(outputOf(parsed.args.options), reply)
}

const at = 'OIDC_AT=TOKEN; export OIDC_AT;\n'
const iss = 'OIDC_ISS=https://issuer.example/; export OIDC_ISS;\n'
const exp = 'OIDC_EXP=1700000000; export OIDC_EXP;\n'
const all = 'TOKEN\nhttps://issuer.example/\n1700000000\n'

test.each([
  [[], 'TOKEN\n'],
  [['-o'], 'TOKEN\n'],
  [['--token'], 'TOKEN\n'],
  [['-i'], 'https://issuer.example/\n'],
  [['-e'], '1700000000\n'],
  [['-a'], all],
  [['-ac'], all],
  [['-a', '-oX'], all],
  [['-c'], at + iss + exp],
  // Letters after one that takes an optional argument are that argument.
  [['-oie'], 'ie=TOKEN; export ie;\n'],
  [['-o', '-i', '-e'], at + iss + exp],
  [['-e', '-o'], at + exp],
  [['-oX'], 'X=TOKEN; export X;\n'],
  [['--issuer=I', '-e'], `I=https://issuer.example/; export I;\n${exp}`],
  [['-c', '--token=T'], `T=TOKEN; export T;\n${iss}${exp}`],
  [['--bearer'], 'Bearer TOKEN\n'],
  [['--auth-header'], 'Authorization: Bearer TOKEN'],
  [['--auth'], 'Authorization: Bearer TOKEN'],
  [['--auth', '--bearer'], 'Bearer TOKEN\n'],
  [['--bearer', '-i'], 'https://issuer.example/\n'],
])('the options %j print %j', (argv, expected) => {
  expect(output(...argv)).toBe(expected)
})

test.each(['-o$(id)', '--issuer=', '--expires-at=1', '-oA B'])(
  'the option %s does not name a variable',
  (word) => {
    expect(() => output(word)).toThrow('cannot be the name of a shell variable')
  },
)

describe('the token of a hostile provider', () => {
  const forms = [['-o'], ['-a'], ['-c'], ['--bearer'], ['--auth']].map((argv) => {
    const parsed = parseArgv(oidcToken, [...argv, 'wlcg'])
    if (parsed.kind !== 'run') throw new Error('not a command line to run')
    return outputOf(parsed.args.options)
  })

  test('a token or issuer with a control or non-ASCII character is not printed in any form', () => {
    const bad = fc.tuple(
      fc.string(),
      fc.constantFrom('\n', '\r', '\0', '\u001b', '\u009b', '\u2028', 'é'),
    )
    fc.assert(
      fc.property(fc.constantFrom(...forms), bad, (form, [text, character]) => {
        const access_token = `a${text}${character}b`
        expect(() => printed(form, { ...reply, access_token })).toThrow('not printed')
        const forged = { ...reply, issuer: access_token }
        expect(() => printed({ form: 'bare', parts: ['issuer'] }, forged)).toThrow('not printed')
      }),
    )
  })

  test('an empty token is not printed', () => {
    for (const form of forms) {
      expect(() => printed(form, { ...reply, access_token: '' })).toThrow('is empty')
    }
  })

  test('a token with shell syntax is quoted in the shell command', () => {
    const [, , exports] = forms
    if (exports === undefined) throw new Error('no such form')
    expect(printed(exports, { ...reply, access_token: "x'; id; '" })).toBe(
      `OIDC_AT='x'\\''; id; '\\'''; export OIDC_AT;\n${iss}${exp}`,
    )
  })
})
