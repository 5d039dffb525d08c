import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { callAgent } from '../protocol/client/call.ts'
import { newKeyPair, openSealedChannel } from '../protocol/wire/encryption.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import { MAX_MESSAGE_BYTES } from '../protocol/wire/framing.ts'
import type { Reply, Request } from '../protocol/wire/messages.ts'
import { loadSodium } from '../protocol/wire/sodium.ts'
import { createLog, silentLog } from './log.ts'
import { ConnectionTable, type RunningServer, type ServerParts, startServer } from './server.ts'

let home: string
let path: string
let server: RunningServer
let answered: Request[]

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'server-'))
  path = join(home, 's')
  answered = []
  server = await start()
})
afterEach(async () => {
  await server.close()
  rmSync(home, { recursive: true })
})

async function start(parts: Partial<ServerParts> = {}): Promise<RunningServer> {
  const sodium = await loadSodium()
  return startServer(path, {
    openChannel: (key) => openSealedChannel(sodium, key, newKeyPair()),
    answer: (request): Promise<Reply> => {
      answered.push(request)
      return Promise.resolve({ status: 'success' })
    },
    requestTimeoutMs: 10_000,
    peerOf: () => ({ role: 'owner', pid: 0 }),
    connections: new ConnectionTable(512, () => new AgentError('agent-busy', 'full')),
    log: silentLog,
    ...parts,
  })
}

async function restart(parts: Partial<ServerParts>): Promise<void> {
  await server.close()
  server = await start(parts)
}

/** All the agent says until it closes. */
async function everythingFrom(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function exchange(...writes: (string | Buffer)[]): Promise<string> {
  const socket = connect(path)
  for (const data of writes) socket.write(data)
  return everythingFrom(socket)
}

const check = '{"request":"check"}'
const success = '{"status":"success"}'

test('answers one request and closes', async () => {
  expect(await exchange(check)).toBe(success)
})

test('takes a request byte by byte', async () => {
  const socket = connect(path)
  socket.setNoDelay(true)
  for (const byte of check) {
    await new Promise<void>((resolve) => socket.write(byte, () => resolve()))
  }
  expect(await everythingFrom(socket)).toBe(success)
})

test('of two glued requests answers the first', async () => {
  expect(await exchange(`${check}{"request":"status"}`)).toBe(success)
  expect(answered).toEqual([{ request: 'check' }])
})

test('a second request on the connection is ignored', async () => {
  expect(await exchange(check, check)).toBe(success)
  expect(answered).toHaveLength(1)
})

test('a client may close its half after the request', async () => {
  const socket = connect({ path, allowHalfOpen: true })
  socket.end(check)
  expect(await everythingFrom(socket)).toBe(success)
})

test('a client that closes the connection ends its own request', async () => {
  const signals: AbortSignal[] = []
  let began = (): void => undefined
  const beginning = new Promise<void>((resolve) => (began = resolve))
  await restart({
    answer: (_request, _peer, signal) => {
      signals.push(signal)
      began()
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    },
  })
  const socket = connect(path)
  socket.write(check)
  await beginning
  const [signal = AbortSignal.abort()] = signals
  expect(signal.aborted).toBe(false)
  const gone = once(signal, 'abort')
  socket.destroy()
  await gone
  expect(signal.reason).toMatchObject({ code: 'cancelled' })
})

test.each([
  ['nothing', '', 'the other party disconnected'],
  ['a broken object', '{"request":"check"', 'Bad Request: could not parse json'],
  ['an array', '["check"]', 'Bad Request: is not a json object'],
  ['garbage', '\u0001\u0002 hello', 'Bad Request: could not parse json'],
  ['no type', '{"x":1}', 'Bad Request: No request type.'],
  ['an unknown type', '{"request":"mytoken"}', 'Bad Request: Unknown request type.'],
])('%s gets a clear error', async (_, sent, error) => {
  const socket = connect({ path, allowHalfOpen: true })
  socket.end(sent)
  expect(JSON.parse(await everythingFrom(socket))).toMatchObject({ status: 'failure', error })
  expect(answered).toEqual([])
})

test.each([
  ['not three parts', 'abc', 'internal error: ipc encrypted message malformed'],
  ['plain JSON', '{"request":"check"}', 'internal error: ipc encrypted message malformed'],
  [
    'another key',
    `10:${Buffer.alloc(24).toString('base64')}:${Buffer.alloc(26).toString('base64')}`,
    'decryption failed',
  ],
])('after the keys, %s gets a clear error in the clear', async (_, sent, error) => {
  const socket = connect({ path, allowHalfOpen: true })
  socket.write(Buffer.from(newKeyPair().publicKey).toString('base64'))
  socket.once('data', () => socket.end(sent))
  const [key, reply] = splitKey(await everythingFrom(socket))
  expect(Buffer.from(key, 'base64')).toHaveLength(32)
  expect(JSON.parse(reply)).toMatchObject({ status: 'failure', error })
})

test('a key that leaves no secret is refused', async () => {
  const reply = await exchange(Buffer.alloc(32).toString('base64'))
  expect(JSON.parse(reply)).toMatchObject({ error: 'received suspicious public key' })
})

test('a message of 1 MiB is refused, and the next client served', async () => {
  const huge = `{"request":"check","x":"${'x'.repeat(MAX_MESSAGE_BYTES)}"}`
  const reply = JSON.parse(await exchange(huge)) as { error: string }
  expect(reply.error).toContain('larger than 1048576 bytes')
  expect(await exchange(check)).toBe(success)
})

test('300 silent clients make nobody wait', async () => {
  const silent = Array.from({ length: 300 }, () => connect(path))
  await Promise.all(silent.map((socket) => new Promise((open) => socket.once('connect', open))))
  expect(await callAgent({ kind: 'unix', path }, { request: 'check' })).toEqual({
    status: 'success',
  })
  for (const socket of silent) socket.destroy()
})

test('300 clients that vanish at any point do no harm', async () => {
  const vanishing = Array.from({ length: 300 }, (_, index) => {
    const socket = connect(path)
    socket.on('error', () => undefined)
    socket.write(check.slice(0, index % check.length), () => socket.destroy())
    return new Promise((closed) => socket.once('close', closed))
  })
  await Promise.all(vanishing)
  expect(await exchange(check)).toBe(success)
})

test('a client that sends nothing in time is told and dropped', async () => {
  await restart({ requestTimeoutMs: 20 })
  const reply = JSON.parse(await exchange('{"request":')) as { info: string }
  expect(reply).toMatchObject({ error: 'the other party disconnected' })
  expect(reply.info).toContain('No whole request arrived')
})

test('a client that takes no reply does not keep the agent from ending', async () => {
  // More than the kernel takes in at once.
  const info = 'x'.repeat(1 << 23)
  await restart({
    requestTimeoutMs: 20,
    answer: () => Promise.resolve({ status: 'success', info }),
  })
  const deaf = connect(path)
  deaf.on('error', () => undefined)
  deaf.write(check)
  // Its reply has begun: it is no longer one of those that are told of the end.
  await new Promise((readable) => deaf.once('readable', readable))
  await expect(server.close()).resolves.toBeUndefined()
  deaf.destroy()
})

test('a fault of ours on a connection is in the log, without what was sent', async () => {
  const lines: string[] = []
  await restart({
    openChannel: () => Promise.reject(new TypeError('libsodium is not there: SECRET')),
    log: createLog((line) => lines.push(line), false),
  })
  expect(await exchange(Buffer.from(newKeyPair().publicKey).toString('base64'))).toBe('')
  expect(lines.join()).toMatch(/warning: internal error on a connection: TypeError +at /)
  expect(lines.join()).not.toContain('SECRET')
})

test('a peer that is not admitted is told so and is not read', async () => {
  await restart({ peerOf: () => undefined })
  expect(JSON.parse(await exchange(check))).toMatchObject({ error: 'operation forbidden' })
  expect(answered).toEqual([])
})

test('one connection too many ends the oldest idle one, which is told why, and the new one is served', async () => {
  const full = (): AgentError => new AgentError('agent-busy', 'no room')
  await restart({ connections: new ConnectionTable(2, full) })
  const oldest = connect(path)
  const oldestReply = everythingFrom(oldest)
  await once(oldest, 'connect')
  const idle = connect(path)
  await once(idle, 'connect')
  expect(JSON.parse(await exchange(check))).toEqual({ status: 'success' })
  expect(JSON.parse(await oldestReply)).toMatchObject({ error: 'no room', code: 'agent-busy' })
  idle.destroy()
})

test('a connection that was ended for another one reads its reply although it goes on sending', async () => {
  const full = (): AgentError => new AgentError('agent-busy', 'no room')
  await restart({ connections: new ConnectionTable(1, full) })
  const slow = connect(path)
  const reply = everythingFrom(slow)
  slow.write('{"request":')
  await once(slow, 'ready')
  const busy = setInterval(() => void slow.write(' '.repeat(4096)), 1)
  expect(JSON.parse(await exchange(check))).toEqual({ status: 'success' })
  expect(JSON.parse(await reply)).toMatchObject({ error: 'no room' })
  clearInterval(busy)
})

test('clients that wait when the agent ends are told so', async () => {
  let asked: () => void = () => undefined
  const waiting = new Promise<void>((resolve) => (asked = resolve))
  await restart({
    answer: () => {
      asked()
      return new Promise(() => undefined)
    },
  })
  const reply = exchange(check)
  await waiting
  await server.close()
  expect(JSON.parse(await reply)).toMatchObject({ error: 'the agent is shutting down' })
})

function splitKey(text: string): [key: string, rest: string] {
  return [text.slice(0, 44), text.slice(44)]
}
