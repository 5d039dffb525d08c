import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shellQuote } from '../protocol/wire/text.ts'
import { checkVariableName, exportLine } from './printing.ts'

test('a value of safe characters is not quoted, as by the C tools', () => {
  expect(exportLine('OIDC_SOCK', '/tmp/oidc-AbCdEf/oidc-agent.1234')).toBe(
    'OIDC_SOCK=/tmp/oidc-AbCdEf/oidc-agent.1234; export OIDC_SOCK;',
  )
  expect(shellQuote('eyJhbGciOiJSUzI1NiJ9.eyJ-_.')).toBe('eyJhbGciOiJSUzI1NiJ9.eyJ-_.')
  expect(shellQuote('https://issuer.example:8443/realm/')).toBe(
    'https://issuer.example:8443/realm/',
  )
})

test.each(['', ' ', '~', 'a:~root', '$(id)', '`id`', 'a;id', '*', "it's", '"', '\\', '&', '#'])(
  'the value %j is quoted',
  (value) => {
    expect(shellQuote(value)).toMatch(/^'.*'$/s)
  },
)

test('a shell reads exactly the exported value, and runs nothing of it', () => {
  const hostile = fc.oneof(
    fc.string({ minLength: 0 }),
    fc.string({ unit: fc.constantFrom(...'\'"\\$`;&|<>()*?[]~#! \t\n=:%a'.split('')) }),
  )
  // One shell for all values: one for each would take a minute.
  const values = fc.sample(hostile, 500).filter((value) => !value.includes('\0'))
  const script = values.map((value) => `${exportLine('V', value)} printf '%s\\0' "$V"`).join('\n')
  const output = execFileSync('/bin/sh', { input: script, encoding: 'utf8' })
  expect(output.split('\0').slice(0, -1)).toEqual(values)
})

test('only a name of letters, digits and underscores is a variable name', () => {
  for (const name of ['A', '_', 'OIDC_AT', 'a1']) expect(checkVariableName(name)).toBe(name)
  for (const name of ['', '1A', 'A B', 'A;id', 'A=1', 'Ä', 'A\n', '$A']) {
    expect(() => checkVariableName(name)).toThrow('cannot be the name of a shell variable')
  }
})
