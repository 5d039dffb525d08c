import { expect, test } from 'vitest'
import { forbidTracing, hideMemory, type Libc } from './memory.ts'

/** A C library whose prctl(2) returns `result`, and the calls of it. */
function libcWith(result: number): { readonly libc: Libc; readonly calls: number[][] } {
  const calls: number[][] = []
  const prctl = (...parameters: number[]): number => {
    calls.push(parameters)
    return result
  }
  return { libc: { func: () => prctl } as unknown as Libc, calls }
}

test.each([
  [0, true],
  [-1, false],
])('a prctl(PR_SET_DUMPABLE, 0) that returns %i has worked: %s', (result, worked) => {
  const { libc, calls } = libcWith(result)
  expect(forbidTracing(libc)).toBe(worked)
  expect(calls).toEqual([[4, 0, 0, 0, 0]])
})

test('a command without native calls goes on, however often it hides its memory', () => {
  expect(hideMemory).not.toThrow()
  expect(hideMemory).not.toThrow()
})
