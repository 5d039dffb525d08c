import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { outputOf } from '../support/command.ts'
import { exchange, RawClient } from '../support/raw-client.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'

const CHECK = '{"request":"check"}'
const SUCCESS = '{"status":"success"}'

let sandbox: Sandbox
let held: RawClient[]

beforeEach(async () => {
  sandbox = await Sandbox.create()
  held = []
})

afterEach(async () => {
  for (const client of held) client.vanish()
  await sandbox.close()
})

/** Opens connections that send `bytes`, which are no whole request, and stay. */
async function hold(agent: SandboxAgent, count: number, bytes: string): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const client = await RawClient.open(agent.socketPath)
    if (bytes !== '') await client.send(bytes)
    held.push(client)
  }
}

async function answersTwenty(agent: SandboxAgent): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    expect(await exchange(agent.socketPath, CHECK)).toBe(SUCCESS)
  }
}

async function agentWithDescriptors(count: number): Promise<SandboxAgent> {
  const started = await sandbox.sh(`ulimit -n ${count}; exec oidc-agent`)
  return sandbox.adopt(outputOf(started))
}

describe('an agent with 64 descriptors', () => {
  test.each([
    ['are idle', ''],
    ['sent half a request', '{"request":'],
  ])('answers others while 100 connections %s', async (_, bytes) => {
    const agent = await agentWithDescriptors(64)
    await hold(agent, 100, bytes)
    await answersTwenty(agent)
  })

  test('tells a connection that it ends why it ended', async () => {
    const agent = await agentWithDescriptors(64)
    await hold(agent, 100, '')
    const [oldest] = held
    expect(JSON.parse((await oldest?.reply()) ?? '')).toMatchObject({
      error: 'the agent has no room for another connection',
      code: 'agent-busy',
    })
  })
})

test('an agent answers others while 2000 connections are idle', async () => {
  const agent = await sandbox.startAgent()
  await hold(agent, 2000, '')
  await answersTwenty(agent)
})
