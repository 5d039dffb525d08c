import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { scriptedAgent } from '../../test/support/scripted-agent.ts'
import { startRelay } from '../../test/support/tcp-relay.ts'
import { newKeyPair, openSealedChannel } from '../wire/encryption.ts'
import { encodeReply, RequestReader, SealedTextReader } from '../wire/framing.ts'
import { loadSodium } from '../wire/sodium.ts'
import { type AgentAddress, callAgent } from './call.ts'
import { callAgentSealed } from './call-sealed.ts'
import { readMessage } from './connection.ts'

let directory: string
let address: { readonly kind: 'unix'; readonly path: string }
const servers: Server[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'client-'))
  address = { kind: 'unix', path: join(directory, 'agent.sock') }
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  chmodSync(directory, 0o700)
  rmSync(directory, { recursive: true })
})

/** A peer that serves each connection as the test decides, well or badly. */
async function peer(session: (socket: Socket) => void, options = {}): Promise<void> {
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined)
    session(socket)
  })
  servers.push(server)
  await once(server.listen(address.path), 'listening')
}

/** The request that the peer received, once it is complete. */
async function request(socket: Socket): Promise<unknown> {
  const message = await readMessage(socket, new RequestReader())
  return message.kind === 'object' ? message.value : undefined
}

describe('calls', () => {
  test('a call sends one message and receives one', async () => {
    let asked: unknown
    await peer((socket) => {
      void request(socket).then((value) => {
        asked = value
        socket.end(encodeReply('{"status":"success","info":["a"]}'))
      })
    })
    const reply = await callAgent(address, { request: 'loaded_accounts' })
    expect(reply).toEqual({ status: 'success', info: ['a'] })
    expect(asked).toEqual({ request: 'loaded_accounts' })
  })

  test('a call accepts a reply in pieces', async () => {
    await peer((socket) => {
      socket.write('{"status":"succ')
      setImmediate(() => socket.end('ess"}'))
    })
    expect(await callAgent(address, { request: 'check' })).toEqual({ status: 'success' })
  })

  test('a call accepts the reply of an agent that then resets the connection', async () => {
    // It has read a part of the request, and closes: the system resets the connection.
    await peer((socket) => {
      socket.once('data', () => {
        socket.pause()
        socket.write('{"status":"failure","error":"Agent locked"}', () => socket.destroy())
      })
    })
    const scope = 'x'.repeat(100_000)
    const call = callAgent(address, { request: 'access_token', account: 'a', scope })
    await expect(call).rejects.toMatchObject({ code: 'agent-locked' })
  })

  test('a call over TCP is sealed: neither the request nor the reply is readable on the way', async () => {
    const agent = await scriptedAgent(() => ({ status: 'success', access_token: 'SECRET-TOKEN' }))
    const [host, agentPort] = agent.address.split(':')
    const relay = await startRelay({ host, port: Number(agentPort) })
    const address = { kind: 'tcp', host: '127.0.0.1', port: relay.port } as const
    const reply = await callAgent(address, { request: 'access_token', account: 'SECRET-ACCOUNT' })
    expect(reply).toMatchObject({ access_token: 'SECRET-TOKEN' })
    expect(agent.requests).toEqual([{ request: 'access_token', account: 'SECRET-ACCOUNT' }])
    expect(relay.passed()).toMatch(/^[A-Za-z0-9+/=]{44}/)
    expect(relay.passed()).not.toMatch(/SECRET|access_token/)
    await relay.close()
    await agent.close()
  })

  test.each([
    ['closes at once', (socket: Socket) => socket.end(), 'peer-disconnected'],
    ['talks nonsense', (socket: Socket) => socket.end('hello'), 'message-malformed'],
    [
      'talks without end',
      (socket: Socket) => socket.end('x'.repeat(17 << 20)),
      'message-malformed',
    ],
  ])('a call fails if the agent %s', async (_, session, code) => {
    await peer(session)
    await expect(callAgent(address, { request: 'check' })).rejects.toMatchObject({ code })
  })

  test('a call fails if the agent reads nothing and closes', async () => {
    await peer((socket) => socket.destroy(), { pauseOnConnect: true })
    await expect(callAgent(address, { request: 'check' })).rejects.toMatchObject({
      code: 'peer-disconnected',
    })
  })
})

describe('agents that cannot be reached', () => {
  test('a call without address reports that OIDC_SOCK is not set', async () => {
    await expect(callAgent(undefined, { request: 'check' })).rejects.toMatchObject({
      code: 'agent-unreachable',
      message: 'Could not connect to oidc-agent: OIDC_SOCK is not set',
      hint: expect.stringContaining('eval $(oidc-agent)') as string,
    })
  })

  async function refusal(unreachable: AgentAddress): Promise<unknown> {
    return callAgent(unreachable, { request: 'check' }).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  test('a call reports that the socket does not exist', async () => {
    expect(await refusal(address)).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: there is no socket ${address.path}`,
      hint: expect.stringContaining('eval $(oidc-agent)') as string,
    })
  })

  test('a call reports that nothing listens on the socket any more', async () => {
    // Connecting to a file that nobody listens on ends like a socket that was left behind.
    writeFileSync(address.path, '')
    expect(await refusal(address)).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: nothing listens on ${address.path} any more`,
    })
  })

  test('a call reports that it has no permission for the socket', async () => {
    await peer((socket) => socket.end('{"status":"success"}'))
    chmodSync(directory, 0)
    // Root has every permission: as root, become the user nobody for this call.
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    const refused = refusal(address)
    if (isRoot) process.seteuid?.(0)
    expect(await refused).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: no permission to connect to ${address.path}`,
    })
  })

  test('a call reports a path that leads through a file', async () => {
    const path = join(address.path, 'x')
    writeFileSync(address.path, '')
    expect(await refusal({ kind: 'unix', path })).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: ${path}: connect ENOTDIR ${path}`,
    })
  })

  test('a call reports that no relay listens', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await once(server.close(), 'close')
    expect(await refusal({ kind: 'tcp', host: '127.0.0.1', port })).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: nothing listens on 127.0.0.1:${port}`,
      hint: expect.stringContaining('OIDC_REMOTE_SOCK') as string,
    })
  })

  test('a call reports an impossible address of the relay', async () => {
    const host = '255.255.255.255'
    expect(await refusal({ kind: 'tcp', host, port: 1 })).toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining(`Could not connect to oidc-agent: ${host}:1: `) as string,
    })
  })
})

describe('busy agents', () => {
  /** A process that listens, and accepts connections only once it has read a byte. */
  const busyAgent = `
    const { readSync, writeSync } = require('node:fs')
    const server = require('node:net').createServer((socket) => socket.end('{"status":"success"}'))
    server.listen({ path: process.argv[1], backlog: 1 }, () => {
      writeSync(1, 'listening')
      readSync(0, Buffer.alloc(1))
    })
  `

  async function withBusyAgent(work: (release: () => void) => Promise<void>): Promise<void> {
    const agent = spawn(process.execPath, ['-e', busyAgent, address.path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const waiting: Socket[] = []
    try {
      await once(agent.stdout, 'data')
      while (await isQueued(waiting)) continue
      await work(() => agent.stdin.write('x'))
    } finally {
      for (const socket of waiting) socket.destroy()
      agent.kill('SIGKILL')
      await once(agent, 'exit')
    }
  }

  /** Whether the agent's queue had room for one more connection. */
  async function isQueued(waiting: Socket[]): Promise<boolean> {
    const socket = connect(address.path)
    waiting.push(socket)
    return once(socket, 'connect').then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'EAGAIN' })
        return false
      },
    )
  }

  test('a call tries a busy agent again until it accepts', async () => {
    await withBusyAgent(async (release) => {
      const call = callAgent(address, { request: 'check' })
      release()
      expect(await call).toEqual({ status: 'success' })
    })
  })

  test('a call gives up on a busy agent after the deadline', async () => {
    await withBusyAgent(async () => {
      const call = callAgent(address, { request: 'check' }, { timeoutMs: 50 })
      await expect(call).rejects.toMatchObject({
        code: 'agent-timeout',
        message: 'oidc-agent did not answer within 0.05 s',
      })
    })
  })
})

describe('agents that do not reply', () => {
  test.each([
    ['plain', callAgent],
    ['sealed', callAgentSealed],
  ])('a %s call gives up after the deadline if the agent does not reply', async (_, call) => {
    await peer(() => undefined)
    const calling = call(address, { request: 'check' }, { timeoutMs: 50 })
    await expect(calling).rejects.toMatchObject({ code: 'agent-timeout' })
  })

  test('a call is cancelled by the signal of its caller', async () => {
    const abort = new AbortController()
    await peer(() => {
      abort.abort()
    })
    const call = callAgent(address, { request: 'check' }, { signal: abort.signal })
    await expect(call).rejects.toMatchObject({ code: 'cancelled' })
    const late = callAgent(address, { request: 'check' }, { signal: abort.signal })
    await expect(late).rejects.toMatchObject({ code: 'cancelled' })
  })
})

describe('sealed calls', () => {
  /** A peer that agrees on a key, and replies with the result of `answer` for the request. */
  async function sealedPeer(
    answer: (text: string) => { readonly text: string; readonly isSealed: boolean },
  ): Promise<void> {
    const sodium = await loadSodium()
    await peer((socket) => {
      void readMessage(socket, new RequestReader()).then(async (first) => {
        if (first.kind !== 'key') return
        const channel = openSealedChannel(sodium, first.publicKey)
        socket.write(channel.publicKeyText)
        const { text, isSealed } = answer(
          channel.open(await readMessage(socket, new SealedTextReader())),
        )
        socket.end(isSealed ? channel.seal(text) : text)
      })
    })
  }

  test('a sealed call accepts a reply under the same key', async () => {
    let asked = ''
    await sealedPeer((text) => {
      asked = text
      return { text: '{"status":"success","access_token":"é"}', isSealed: true }
    })
    const reply = await callAgentSealed(address, { request: 'access_token', account: 'ä' })
    expect(reply).toMatchObject({ access_token: 'é' })
    expect(asked).toBe('{"request":"access_token","account":"ä"}')
  })

  test('a sealed call accepts a reply in the clear', async () => {
    await sealedPeer(() => ({
      text: ' {"status":"failure","error":"decryption failed"}',
      isSealed: false,
    }))
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({
      code: 'decryption-failed',
    })
  })

  test('a sealed call accepts a reply before there is a key', async () => {
    await peer((socket) => socket.end('{"status":"failure","error":"Agent locked"}'))
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({
      code: 'agent-locked',
    })
  })

  test.each([
    ['closes', '', 'peer-disconnected'],
    ['talks nonsense', '<html>', 'message-malformed'],
    ['stops in the middle of a key', 'AAAA', 'message-malformed'],
    [
      'has a key that yields a known secret',
      Buffer.alloc(32).toString('base64'),
      'suspicious-public-key',
    ],
    [
      'closes after its key',
      Buffer.from(newKeyPair().publicKey).toString('base64'),
      'peer-disconnected',
    ],
  ])('a sealed call fails if the agent %s', async (_, text, code) => {
    await peer((socket) => {
      socket.once('data', () => socket.end(text))
    })
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({ code })
  })

  test('a reply to a sealed call that is neither sealed nor JSON is malformed', async () => {
    await sealedPeer(() => ({ text: 'hello', isSealed: false }))
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({
      code: 'message-malformed',
    })
  })
})
