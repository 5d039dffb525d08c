import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getuid } from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { agentAddresses } from './find-agent.ts'

const uid = getuid?.() ?? 0

describe('the local agent', () => {
  test('is where OIDC_SOCK says', () => {
    const { local } = agentAddresses({ OIDC_SOCK: '/s/agent', TMPDIR: '/nowhere' }, uid)
    expect(local).toEqual({ kind: 'unix', path: '/s/agent' })
  })

  test.each([{}, { OIDC_SOCK: '' }])('is nowhere where nothing says: %j', (env) => {
    const nowhere = { ...env, TMPDIR: '/nowhere' }
    expect(agentAddresses(nowhere, uid)).toEqual({ local: undefined, remote: undefined })
  })

  test('is looked for in /tmp where TMPDIR is not set', () => {
    // No user has this number, so no service directory either.
    expect(agentAddresses({ TMPDIR: '' }, 4_294_967_290).local).toBeUndefined()
  })

  describe('of oidc-agent-service', () => {
    let base: string
    let server: Server
    beforeEach(async () => {
      base = mkdtempSync(join(tmpdir(), 'service-'))
      mkdirSync(join(base, `oidc-agent-service-${uid}`))
      mkdirSync(join(base, `oidc-agent-service-${uid + 1}`))
      server = createServer().listen(join(base, `oidc-agent-service-${uid}`, 'oidc-agent.sock'))
      await once(server, 'listening')
    })
    afterEach(() => {
      server.close()
      rmSync(base, { recursive: true })
    })

    test('is found', () => {
      const path = join(base, `oidc-agent-service-${uid}`, 'oidc-agent.sock')
      expect(agentAddresses({ TMPDIR: base }, uid).local).toEqual({ kind: 'unix', path })
    })

    test("is not taken where another user's is", () => {
      expect(agentAddresses({ TMPDIR: base }, uid + 1).local).toBeUndefined()
    })
  })
})

describe('the remote agent', () => {
  test.each([
    ['host.example', 'host.example', 42_424],
    ['host.example:1234', 'host.example', 1234],
    ['127.0.0.1:1', '127.0.0.1', 1],
    ['[::1]', '::1', 42_424],
    ['[::1]:65535', '::1', 65_535],
  ])('is where OIDC_REMOTE_SOCK says: %s', (text, host, port) => {
    const { remote } = agentAddresses({ OIDC_REMOTE_SOCK: text }, uid)
    expect(remote).toEqual({ kind: 'tcp', host, port })
  })

  test.each(['host:', 'host:x', ':1', '::1', 'host:65536', 'host:123456', '[::1'])(
    'is an error where that is no host and port: %s',
    (text) => {
      expect(() => agentAddresses({ OIDC_REMOTE_SOCK: text }, uid)).toThrow(
        expect.objectContaining({
          code: 'usage',
          message: `OIDC_REMOTE_SOCK is not HOST or HOST:PORT: ${text}`,
        }),
      )
    },
  )

  test('is none where the variable is empty', () => {
    expect(agentAddresses({ OIDC_REMOTE_SOCK: '' }, uid).remote).toBeUndefined()
  })
})
