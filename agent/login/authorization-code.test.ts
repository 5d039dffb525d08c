import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { newLoginState, newProofKey } from './authorization-code.ts'
import { newClientUris, redirectUrisOf } from './redirect-server.ts'

test("a state has the C agent's form", () => {
  const path = '/tmp/oidc-x/agent.1'
  const state = newLoginState('http://localhost:4242/', true, path)
  expect(state).toMatch(/^1:1[\w-]{24}:19:[\w-]+$/)
  expect(Buffer.from(state.split(':')[3] ?? '', 'base64url').toString()).toBe(path)
  expect(newLoginState('http://localhost:4242', false, path)).toMatch(/^0:0[\w-]{24}:19:/)
})

test('the length is that of bytes', () => {
  expect(newLoginState('http://localhost:4242', false, '/tmp/ä')).toMatch(/:7:[\w-]+$/)
})

test('no two states are alike', () => {
  const states = Array.from({ length: 1000 }, () => newLoginState('x', false, '/s'))
  expect(new Set(states).size).toBe(1000)
})

test('a proof key is as long as RFC 7636 allows, and its challenge is S256', () => {
  const { verifier, challenge } = newProofKey()
  expect(verifier).toMatch(/^[\w-]{128}$/)
  expect(challenge).toBe(createHash('sha256').update(verifier).digest('base64url'))
  expect(newProofKey().verifier).not.toBe(verifier)
})

test('redirect URIs by kind, in their order', () => {
  const { local, custom } = redirectUrisOf([
    'edu.kit.data.oidc-agent:/redirect',
    'http://localhost:4243/back',
    'http://127.0.0.1:80',
    'http://[::1]:5000/',
    'https://localhost:1',
    'http://elsewhere.example:8080',
    'no URI',
    'edu.kit.data.oidc-agent.evil:/x',
  ])
  expect(local).toEqual([
    { uri: 'http://localhost:4243/back', port: 4243, path: '/back' },
    { uri: 'http://127.0.0.1:80', port: 80, path: '/' },
    { uri: 'http://[::1]:5000/', port: 5000, path: '/' },
  ])
  expect(custom).toEqual(['edu.kit.data.oidc-agent:/redirect'])
})

test('an account without any has the usual ones', () => {
  expect(redirectUrisOf([]).local.map(({ port }) => port)).toEqual([8080, 4242, 43_985])
})

test('a new client has a port of its own among the usual ones, and the scheme', () => {
  const { local, custom } = redirectUrisOf(newClientUris())
  expect(local.map(({ port }) => port)).toEqual([4242, expect.any(Number), 8080])
  expect(local[1]?.port).toBeGreaterThanOrEqual(1024)
  expect(local[1]?.port).toBeLessThanOrEqual(49_151)
  expect(custom).toHaveLength(1)
})
