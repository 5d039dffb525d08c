import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeReply, RequestReader } from '../wire/framing.ts'
import type { JsonObject } from '../wire/messages.ts'
import { callAgent, reportLongWaits } from './call.ts'
import { readMessage } from './connection.ts'

/** Long enough for a loaded machine to answer a check in time. */
const times = { noticeMs: 20, checkMs: 300, silentMs: 900, totalMs: 2500 }
const request = { request: 'access_token', account: 'acc', issuer: undefined } as const

let directory: string
let address: { readonly kind: 'unix'; readonly path: string }
let server: Server
let said: string[]
/** What the agent received. */
let checks: JsonObject[]
let token: { readonly request: JsonObject; readonly socket: Socket } | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wait-'))
  address = { kind: 'unix', path: join(directory, 'agent.sock') }
  said = []
  checks = []
  token = undefined
  reportLongWaits((line) => said.push(line))
})

afterEach(() => {
  reportLongWaits(() => undefined)
  server.close()
  rmSync(directory, { recursive: true })
})

/** An agent that leaves every request but `check` unanswered; undefined leaves a check unanswered too. */
async function agent(reply: (nonce: unknown) => JsonObject | undefined): Promise<void> {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    void readMessage(socket, new RequestReader()).then((message) => {
      const value = message.kind === 'object' ? message.value : {}
      if (value['request'] !== 'check') {
        token = { request: value, socket }
        return
      }
      checks.push(value)
      const answer = reply(value['nonce'])
      if (answer !== undefined) socket.end(encodeReply(JSON.stringify(answer)))
    })
  })
  await once(server.listen(address.path), 'listening')
}

test('a call to an agent that answers nothing ends after the time for silence, and says so before', async () => {
  await agent(() => undefined)
  const startedAt = performance.now()
  await expect(callAgent(address, request, { times })).rejects.toMatchObject({
    code: 'agent-timeout',
    message: 'oidc-agent did not answer within 0.9 s, nor to a check in this time',
    hint: expect.stringContaining('kill -CONT "$OIDCD_PID"') as string,
  })
  expect(performance.now() - startedAt).toBeLessThan(times.totalMs)
  expect(said).toEqual([
    'Waiting for oidc-agent, which has not answered yet …',
    'oidc-agent does not answer a check either.',
  ])
})

test.each([
  ['running', []],
  ['person', ['oidc-agent waits for a person: answer the question it asks.']],
])(
  'a call goes on beyond the time for silence while a check finds its request in the state %s',
  async (state, words) => {
    await agent(() => {
      if (checks.length === 5) token?.socket.end('{"status":"success","access_token":"at"}')
      return { status: 'success', request_state: state }
    })
    const reply = await callAgent(address, request, { times: { ...times, totalMs: 60_000 } })
    expect(reply).toMatchObject({ access_token: 'at' })
    expect(new Set(checks.map(({ nonce }) => nonce))).toEqual(new Set([token?.request['nonce']]))
    expect(token?.request['nonce']).toMatch(/^[\w.]+$/)
    expect(said.slice(1)).toEqual(words)
  },
)

test('a call ends when the agent stops answering checks', async () => {
  await agent(() =>
    checks.length > 2 ? undefined : { status: 'success', request_state: 'running' },
  )
  const call = callAgent(address, request, { times: { ...times, totalMs: 60_000 } })
  await expect(call).rejects.toMatchObject({ code: 'agent-timeout' })
  expect(checks).toHaveLength(4)
})

test('a call ends when the agent no longer knows the request', async () => {
  await agent(() => ({ status: 'success', request_state: 'unknown' }))
  await expect(callAgent(address, request, { times })).rejects.toMatchObject({
    code: 'agent-timeout',
    message: 'oidc-agent did not answer within 0.9 s, and no longer knows the request',
  })
})

test('an agent without the extension is waited for as long as for a person', async () => {
  await agent(() => ({ status: 'success' }))
  await expect(callAgent(address, request, { times })).rejects.toMatchObject({
    message: 'oidc-agent did not answer within 2.5 s',
  })
  expect(checks).toHaveLength(1)
})

test('a call with a deadline of its own sends no check, and its request has no nonce', async () => {
  await agent(() => undefined)
  const call = callAgent(address, request, { times, timeoutMs: 200 })
  await expect(call).rejects.toMatchObject({ message: 'oidc-agent did not answer within 0.2 s' })
  expect(checks).toEqual([])
  expect(token?.request).toEqual({ request: 'access_token', account: 'acc' })
  expect(said).toEqual(['Waiting for oidc-agent, which has not answered yet …'])
})

test('a call that is answered at once says nothing', async () => {
  await agent(() => ({ status: 'success' }))
  await callAgent(address, { request: 'check' }, { times: { ...times, noticeMs: 5000 } })
  expect(said).toEqual([])
})
