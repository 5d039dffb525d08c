import { afterEach, expect, test } from 'vitest'
import { type ScriptedAgent, scriptedAgent } from '../../test/support/scripted-agent.ts'
import { run } from '../run.ts'
import { testIo } from '../test-io.ts'
import { launch } from './oidc-agent.ts'
import { oidcAgent } from './options.ts'
import { thisHost } from './start-daemon.ts'

let agent: ScriptedAgent

afterEach(() => agent.close())

async function printed(...argv: readonly string[]): Promise<string> {
  const io = testIo({ argv, env: { OIDC_SOCK: agent.path } })
  await run(oidcAgent, (args, runIo) => launch(args, runIo, thisHost()), io)
  return io.stdout.text
}

test('the status of another agent cannot command the terminal', async () => {
  agent = await scriptedAgent(() => ({
    status: 'success',
    info: 'ok\n\u001b[2J\u202eloaded\u009b',
  }))
  expect(await printed('--status')).toBe('ok\n?[2J?loaded?\n')
})

test('the JSON status of another agent has control and format characters as escapes', async () => {
  const info = { version: '5', loaded_accounts: ['w\u009blcg', '\u202ex'] }
  agent = await scriptedAgent(() => ({ status: 'success', info }))
  const text = await printed('--status', '--json')
  expect(text).toContain('"w\\u009blcg","\\u202ex"')
  expect(JSON.parse(text)).toMatchObject(info)
})
