import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { newLoginState, newProofKey } from './authorization-code.ts'
import { newClientUris, redirectUrisOf } from './redirect-server.ts'

test('the state of a login has the form of the C agent', () => {
  const path = '/tmp/oidc-x/agent.1'
  const state = newLoginState('http://localhost:4242/', true, path)
  expect(state).toMatch(/^1:1[\w-]{24}:19:[\w-]+$/)
  expect(Buffer.from(state.split(':')[3] ?? '', 'base64url').toString()).toBe(path)
  expect(newLoginState('http://localhost:4242', false, path)).toMatch(/^0:0[\w-]{24}:19:/)
})

test('the length in a state counts the bytes of the socket path', () => {
  expect(newLoginState('http://localhost:4242', false, '/tmp/ä')).toMatch(/:7:[\w-]+$/)
})

test('each login has another state', () => {
  const states = Array.from({ length: 1000 }, () => newLoginState('x', false, '/s'))
  expect(new Set(states).size).toBe(1000)
})

test('a code verifier has the maximum length of RFC 7636, and its challenge is S256', () => {
  const { verifier, challenge } = newProofKey()
  expect(verifier).toMatch(/^[\w-]{128}$/)
  expect(challenge).toBe(createHash('sha256').update(verifier).digest('base64url'))
  expect(newProofKey().verifier).not.toBe(verifier)
})

test('redirect URIs are sorted by kind and keep their order', () => {
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

test('an account without redirect URIs uses those of the C agent', () => {
  expect(redirectUrisOf([]).local.map(({ port }) => port)).toEqual([8080, 4242, 43_985])
})

test('a new client gets two common ports, a random one and the custom scheme', () => {
  const { local, custom } = redirectUrisOf(newClientUris())
  expect(local.map(({ port }) => port)).toEqual([4242, expect.any(Number), 8080])
  expect(local[1]?.port).toBeGreaterThanOrEqual(1024)
  expect(local[1]?.port).toBeLessThanOrEqual(49_151)
  expect(custom).toHaveLength(1)
})
