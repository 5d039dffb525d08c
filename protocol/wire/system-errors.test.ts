import { openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { systemCode, systemReason, unreadable, unwritable } from './errors.ts'

function thrownBy(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

test('code and reason of a system error are found in it', () => {
  const error = thrownBy(() => openSync('/nonexistent/x', 'r'))
  expect(systemCode(error)).toBe('ENOENT')
  expect(systemReason(error)).toBe('no such file or directory')
})

test('the reason of any other value is its text, unchanged', () => {
  expect(systemCode('text')).toBeUndefined()
  expect(systemCode(new Error('x'))).toBeUndefined()
  expect(systemReason('text')).toBe('text')
  expect(systemReason(new Error('Eight: of them, x'))).toBe('Eight: of them, x')
})

test('file errors name the file and the reason', () => {
  const absent = thrownBy(() => openSync('/nonexistent/x', 'r'))
  expect(unreadable('/a', absent)).toMatchObject({
    code: 'file-not-found',
    message: 'there is no file /a',
    cause: absent,
  })
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
  })
  expect(unreadable('/a', full)).toMatchObject({
    code: 'file-unreadable',
    message: 'cannot read /a: no space left on device',
    cause: full,
  })
  expect(unwritable('/a', full)).toMatchObject({
    code: 'file-unwritable',
    message: 'cannot write /a: no space left on device',
    cause: full,
  })
})
