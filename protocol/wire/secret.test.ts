import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret, secretOf } from './secret.ts'

test('a secret prints nowhere', () => {
  const secret = new Secret('hunter2')
  const printed = [
    String(secret),
    JSON.stringify({ secret }),
    inspect({ deep: [secret] }, { showHidden: true, depth: 9 }),
    secret.toString(),
    Object.values(secret).join(''),
  ]
  expect(printed.join('\n')).not.toContain('hunter2')
  expect(printed[0]).toBe('[secret]')
  expect(printed[1]).toBe('{"secret":"[secret]"}')
  expect(printed[2]).toBe('{ deep: [ [secret], [length]: 1 ] }')
})

test('a secret is revealed where that is asked for', () => {
  expect(new Secret('hunter2').reveal()).toBe('hunter2')
})

test('nothing is no secret', () => {
  expect(secretOf(undefined)).toBeUndefined()
  expect(secretOf('')).toBeUndefined()
  expect(secretOf('x')?.reveal()).toBe('x')
})
