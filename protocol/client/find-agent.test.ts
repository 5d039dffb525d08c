import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getuid } from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { agentAddresses } from './call.ts'

const uid = getuid?.() ?? 0

describe('the local agent', () => {
  test('OIDC_SOCK is the path of the local agent', () => {
    const { local } = agentAddresses({ OIDC_SOCK: '/s/agent', TMPDIR: '/nowhere' }, uid)
    expect(local).toEqual({ kind: 'unix', path: '/s/agent' })
  })

  test.each([{}, { OIDC_SOCK: '' }])('there is no agent if no variable names one: %j', (env) => {
    const nowhere = { ...env, TMPDIR: '/nowhere' }
    expect(agentAddresses(nowhere, uid)).toEqual({ local: undefined, remote: undefined })
  })

  test('the service directory is in /tmp if TMPDIR is empty', () => {
    // No user has this number, so there is no service directory.
    expect(agentAddresses({ TMPDIR: '' }, 4_294_967_290).local).toBeUndefined()
  })

  describe('oidc-agent-service', () => {
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

    test('the socket of oidc-agent-service is found', () => {
      const path = join(base, `oidc-agent-service-${uid}`, 'oidc-agent.sock')
      expect(agentAddresses({ TMPDIR: base }, uid).local).toEqual({ kind: 'unix', path })
    })

    test('the socket of oidc-agent-service is ignored if another user owns it', () => {
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
  ])('OIDC_REMOTE_SOCK is the address of the remote agent: %s', (text, host, port) => {
    const { remote } = agentAddresses({ OIDC_REMOTE_SOCK: text }, uid)
    expect(remote).toEqual({ kind: 'tcp', host, port })
  })

  test.each(['host:', 'host:x', ':1', '::1', 'host:65536', 'host:123456', '[::1'])(
    'an OIDC_REMOTE_SOCK that is not a host and a port is an error: %s',
    (text) => {
      expect(() => agentAddresses({ OIDC_REMOTE_SOCK: text }, uid)).toThrow(
        expect.objectContaining({
          code: 'usage',
          message: `OIDC_REMOTE_SOCK is not HOST or HOST:PORT: ${text}`,
        }),
      )
    },
  )

  test('there is no remote agent if OIDC_REMOTE_SOCK is empty', () => {
    expect(agentAddresses({ OIDC_REMOTE_SOCK: '' }, uid).remote).toBeUndefined()
  })
})
