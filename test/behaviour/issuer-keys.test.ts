import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type AgentUnderTest, inProcess, overPlainSocket, type StartAgent } from './agents.ts'

/** The provider in memory tells by whose trust it was asked for its keys. */
describe.each<[string, StartAgent]>([
  ['in process', inProcess],
  ['over the socket', overPlainSocket],
])('an issuer is asked for its keys %s', (_, start) => {
  let agent: AgentUnderTest

  beforeEach(async () => {
    agent = await start()
  })
  afterEach(() => agent.close())

  async function asked(issuer: string, cert_path?: string): Promise<unknown> {
    const { jwks } = await agent.call({ request: 'jwks', issuer, cert_path })
    return jwks['asked']
  }

  test('as the system trusts it, where nobody knows it', async () => {
    expect(await asked('https://op.example')).toEqual(['https://op.example', ''])
  })

  test('as the issuer files say', async () => {
    await mkdir(agent.directory.path, { recursive: true })
    const file = [{ issuer: 'https://op.example/', cert_path: '/file.pem' }]
    await writeFile(join(agent.directory.path, 'issuer.config'), JSON.stringify(file))
    expect(await asked('https://op.example')).toEqual(['https://op.example', '/file.pem'])
  })

  test('as a loaded account does, with or without a slash at the end', async () => {
    const config: JsonObject = {
      name: 'wlcg',
      issuer_url: 'https://op.example/',
      client_id: 'id',
      client_secret: 'secret',
      refresh_token: 'rt-0',
      cert_path: '/account.pem',
    }
    await agent.call({ request: 'add', config })
    expect(await asked('https://op.example')).toEqual(['https://op.example/', '/account.pem'])
    expect(await asked('https://op.example', '/mine.pem')).toEqual([
      'https://op.example/',
      '/mine.pem',
    ])
  })

  test('not while the agent is locked', async () => {
    await agent.call({ request: 'lock', password: 'x' })
    await expect(asked('https://op.example')).rejects.toMatchObject({ code: 'agent-locked' })
  })
})
