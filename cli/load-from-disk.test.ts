import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AccountDirectory } from '../protocol/storage/account-directory.ts'
import { newFileKey, openAccountFile, sealAccountFile } from '../protocol/storage/account-file.ts'
import { AgentError, peerError } from '../protocol/wire/errors.ts'
import type { JsonObject } from '../protocol/wire/messages.ts'
import { type ScriptedAgent, scriptedAgent } from '../test/support/scripted-agent.ts'
import { type Loading, loadFromDisk } from './load-from-disk.ts'
import type { Terminal } from './terminal.ts'

const password = 'correct horse'
const account = { name: 'wlcg', issuer_url: 'https://issuer.example/', refresh_token: 'RT' }
const notLoaded = peerError('account-not-loaded')

let directory: string
let text: string
let agent: ScriptedAgent
let answer: JsonObject

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'oidc-load-'))
  text = await sealAccountFile(account, await newFileKey(password))
  await new AccountDirectory(directory).write('wlcg', text)
  agent = await scriptedAgent(() => answer)
})

beforeEach(() => {
  answer = { status: 'success' }
})

afterAll(async () => {
  await agent.close()
  await rm(directory, { recursive: true })
})

/** A person who types these passwords, and what they saw. */
function person(...passwords: string[]): { open: () => Terminal; screen: string[] } {
  const screen: string[] = []
  const terminal: Terminal = {
    ask: () => Promise.reject(new Error('only a password is to be asked for')),
    askSecret: (question) => {
      screen.push(question)
      const typed = passwords.shift()
      return typed === undefined
        ? Promise.reject(new AgentError('cancelled', 'cancelled: interrupted'))
        : Promise.resolve(typed)
    },
    say: (line) => screen.push(line),
    close: () => screen.push('closed'),
  }
  return { open: () => terminal, screen }
}

function loading(name: string, open: () => Terminal, env: Loading['env'] = {}): Loading {
  return {
    account: name,
    agent: { kind: 'unix', path: agent.path },
    env: { OIDC_CONFIG_DIR: directory, HOME: '/nonexistent', ...env },
    open,
  }
}

const question = "Enter decryption password for account config 'wlcg'"

test('an account on disk is loaded with its password, and the agent gets the key that re-seals its file', async () => {
  const { open, screen } = person('wrong', password)
  await loadFromDisk(loading('wlcg', open), notLoaded)
  expect(screen).toEqual([question, 'wrong password', question, 'closed'])
  const request = agent.requests.at(-1)
  expect(request).toMatchObject({
    request: 'add',
    config: account,
    pw_entry: { account: 'wlcg', type: 8 },
  })
  const { salt, key } = request?.['file_key'] as { salt: string; key: string }
  const fileKey = { salt: Buffer.from(salt, 'base64'), bytes: Buffer.from(key, 'base64') }
  expect(await openAccountFile(text, fileKey)).toMatchObject(account)
  // The password itself goes nowhere.
  expect(JSON.stringify(request)).not.toContain(password)
})

describe('Loading an account from disk fails', () => {
  const noTerminal = (): Terminal => {
    throw new AgentError('no-terminal', 'there is no terminal to ask on')
  }

  test('without a terminal the error names the command that loads the account', async () => {
    await expect(loadFromDisk(loading('wlcg', noTerminal), notLoaded)).rejects.toMatchObject({
      code: 'account-not-loaded',
      message: 'account not loaded',
      hint: 'Load the account first: oidc-add wlcg',
    })
  })

  test("for an account without a file the error stays the agent's", async () => {
    for (const name of ['other', '../wlcg', '.', 'issuer.config']) {
      await expect(loadFromDisk(loading(name, noTerminal), notLoaded)).rejects.toBe(notLoaded)
    }
    const env = { OIDC_CONFIG_DIR: '/nonexistent' }
    await expect(loadFromDisk(loading('wlcg', noTerminal, env), notLoaded)).rejects.toBe(notLoaded)
  })

  test('loading fails after three wrong passwords', async () => {
    const { open, screen } = person('1', '2', '3', password)
    const before = agent.requests.length
    await expect(loadFromDisk(loading('wlcg', open), notLoaded)).rejects.toMatchObject({
      code: 'wrong-password',
    })
    expect(screen.filter((line) => line === question)).toHaveLength(3)
    expect(screen.at(-1)).toBe('closed')
    expect(agent.requests).toHaveLength(before)
  })

  test('the terminal is closed if the person cancels or the agent refuses the account', async () => {
    const { open, screen } = person()
    await expect(loadFromDisk(loading('wlcg', open), notLoaded)).rejects.toMatchObject({
      code: 'cancelled',
    })
    expect(screen.at(-1)).toBe('closed')
    answer = { status: 'failure', error: 'Agent locked' }
    const refused = person(password)
    await expect(loadFromDisk(loading('wlcg', refused.open), notLoaded)).rejects.toMatchObject({
      code: 'agent-locked',
    })
    expect(refused.screen.at(-1)).toBe('closed')
  })
})
