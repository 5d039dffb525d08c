import { expect, test } from 'vitest'
import { Headers, Response } from './fetch-types.ts'

test('headers are found by their names in any case', () => {
  const headers = new Headers({ Accept: 'application/json' })
  headers.set('X-Name', 'one')
  headers.set('x-name', 'two')
  const copy = new Headers(headers)
  expect(copy.get('X-NAME')).toBe('two')
  expect(copy.get('absent')).toBeNull()
  expect(copy.has('accept')).toBe(true)
  expect(Object.fromEntries(copy)).toEqual({ accept: 'application/json', 'x-name': 'two' })
  expect([...new Headers().entries()]).toEqual([])
})

test('a response has its JSON once, as with the global class', async () => {
  for (const Class of [Response, globalThis.Response]) {
    const content = { access_token: 'token' }
    const response = Class.json(content)
    expect(response.status).toBe(200)
    expect(response.headers.get('Content-Type')).toBe('application/json')
    expect(response.bodyUsed).toBe(false)
    const read = await response.json()
    expect(read).toEqual(content)
    expect(read).not.toBe(content)
    expect(response.bodyUsed).toBe(true)
    await expect(response.json()).rejects.toThrow(TypeError)
  }
})
