import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newKeyPair, openSealedChannel } from '../wire/encryption.ts'
import { encodeReply, RequestReader, SealedTextReader } from '../wire/framing.ts'
import { loadSodium } from '../wire/sodium.ts'
import { type AgentAddress, callAgent } from './call.ts'
import { callAgentSealed } from './call-sealed.ts'
import { readMessage } from './connect.ts'

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

/** A peer that does with each connection what the test says, good or bad. */
async function peer(session: (socket: Socket) => void, options = {}): Promise<void> {
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined)
    session(socket)
  })
  servers.push(server)
  await once(server.listen(address.path), 'listening')
}

/** What the peer was asked, once it is whole. */
async function request(socket: Socket): Promise<unknown> {
  const message = await readMessage(socket, new RequestReader())
  return message.kind === 'object' ? message.value : undefined
}

describe('a call', () => {
  test('is one message, answered by one', async () => {
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

  test('takes the reply in pieces', async () => {
    await peer((socket) => {
      socket.write('{"status":"succ')
      setImmediate(() => socket.end('ess"}'))
    })
    expect(await callAgent(address, { request: 'check' })).toEqual({ status: 'success' })
  })

  test('takes the reply of an agent that resets the connection behind it', async () => {
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

  test('goes over TCP too', async () => {
    const server = createServer((socket) => socket.end('{"status":"success"}'))
    servers.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const relay = { kind: 'tcp', host: '127.0.0.1', port } as const
    expect(await callAgent(relay, { request: 'check' })).toEqual({ status: 'success' })
  })

  test.each([
    ['closes at once', (socket: Socket) => socket.end(), 'peer-disconnected'],
    ['talks nonsense', (socket: Socket) => socket.end('hello'), 'message-malformed'],
    [
      'talks without end',
      (socket: Socket) => socket.end('x'.repeat(17 << 20)),
      'message-malformed',
    ],
  ])('of an agent that %s fails', async (_, session, code) => {
    await peer(session)
    await expect(callAgent(address, { request: 'check' })).rejects.toMatchObject({ code })
  })

  test('of an agent that reads nothing and closes fails', async () => {
    await peer((socket) => socket.destroy(), { pauseOnConnect: true })
    await expect(callAgent(address, { request: 'check' })).rejects.toMatchObject({
      code: 'peer-disconnected',
    })
  })
})

describe('an agent that cannot be reached', () => {
  test('has no address', async () => {
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

  test('has no socket', async () => {
    expect(await refusal(address)).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: there is no socket ${address.path}`,
      hint: expect.stringContaining('eval $(oidc-agent)') as string,
    })
  })

  test('is gone from its socket', async () => {
    // Connecting to a file that nobody listens on ends like a socket that was left behind.
    writeFileSync(address.path, '')
    expect(await refusal(address)).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: nothing listens on ${address.path} any more`,
    })
  })

  test('has a socket that does not let us in', async () => {
    await peer((socket) => socket.end('{"status":"success"}'))
    chmodSync(directory, 0)
    // Root is let in everywhere: as root, be nobody for a moment.
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    const refused = refusal(address)
    if (isRoot) process.seteuid?.(0)
    expect(await refused).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: ${address.path} does not let you in`,
    })
  })

  test('has a path through what is no directory', async () => {
    const path = join(address.path, 'x')
    writeFileSync(address.path, '')
    expect(await refusal({ kind: 'unix', path })).toMatchObject({
      code: 'agent-unreachable',
      message: `Could not connect to oidc-agent: ${path}: connect ENOTDIR ${path}`,
    })
  })

  test('has no relay', async () => {
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

  test('has a relay at an address that is none', async () => {
    const host = '255.255.255.255'
    expect(await refusal({ kind: 'tcp', host, port: 1 })).toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining(`Could not connect to oidc-agent: ${host}:1: `) as string,
    })
  })
})

describe('an agent that is busy', () => {
  /** A process that listens, and accepts only once it is told to. */
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

  /** Whether one more connection found a place in the agent's queue. */
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

  test('is tried again until it accepts', async () => {
    await withBusyAgent(async (release) => {
      const call = callAgent(address, { request: 'check' })
      release()
      expect(await call).toEqual({ status: 'success' })
    })
  })

  test('is given up after the deadline', async () => {
    await withBusyAgent(async () => {
      const call = callAgent(address, { request: 'check' }, { timeoutMs: 50 })
      await expect(call).rejects.toMatchObject({
        code: 'agent-timeout',
        message: 'oidc-agent did not answer within 0.05 s',
      })
    })
  })
})

describe('an agent that does not answer', () => {
  test.each([
    ['plain', callAgent],
    ['sealed', callAgentSealed],
  ])('is given up after the deadline: %s', async (_, call) => {
    await peer(() => undefined)
    const calling = call(address, { request: 'check' }, { timeoutMs: 50 })
    await expect(calling).rejects.toMatchObject({ code: 'agent-timeout' })
  })

  test('is given up when the caller is', async () => {
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

describe('a sealed call', () => {
  /** A peer that agrees on a key, and answers with what `answer` makes of the request. */
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

  test('is answered under the same key', async () => {
    let asked = ''
    await sealedPeer((text) => {
      asked = text
      return { text: '{"status":"success","access_token":"é"}', isSealed: true }
    })
    const reply = await callAgentSealed(address, { request: 'access_token', account: 'ä' })
    expect(reply).toMatchObject({ access_token: 'é' })
    expect(asked).toBe('{"request":"access_token","account":"ä"}')
  })

  test('may be answered in the clear', async () => {
    await sealedPeer(() => ({
      text: ' {"status":"failure","error":"decryption failed"}',
      isSealed: false,
    }))
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({
      code: 'decryption-failed',
    })
  })

  test('may be answered before there is a key', async () => {
    await peer((socket) => socket.end('{"status":"failure","error":"Agent locked"}'))
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({
      code: 'agent-locked',
    })
  })

  test.each([
    ['closes', '', 'peer-disconnected'],
    ['talks nonsense', '<html>', 'message-malformed'],
    ['stops in the middle of a key', 'AAAA', 'message-malformed'],
    ['has a key that all can know', Buffer.alloc(32).toString('base64'), 'suspicious-public-key'],
    [
      'closes after its key',
      Buffer.from(newKeyPair().publicKey).toString('base64'),
      'peer-disconnected',
    ],
  ])('of an agent that %s fails', async (_, text, code) => {
    await peer((socket) => {
      socket.once('data', () => socket.end(text))
    })
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({ code })
  })

  test('whose answer is neither sealed nor JSON is malformed', async () => {
    await sealedPeer(() => ({ text: 'hello', isSealed: false }))
    await expect(callAgentSealed(address, { request: 'check' })).rejects.toMatchObject({
      code: 'message-malformed',
    })
  })
})
