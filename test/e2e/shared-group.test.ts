import { chmod, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { exchange } from '../support/raw-client.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { askAs, changeAs, type OtherUser, otherUserOf } from '../support/second-user.ts'
import { addAccount, seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

/** The group of `--with-group`, and a member that the system does not know by name. */
const GROUP = 54_399
const member = otherUserOf(GROUP)
/** Not in the group, but in the primary group of the agent's owner (root). */
const outsider = otherUserOf(0)

const forbidden = { status: 'failure', error: 'operation forbidden', code: 'operation-forbidden' }

describe.skipIf(member === undefined || outsider === undefined)('oidc-agent --with-group', () => {
  let provider: WlcgProvider
  let sandbox: Sandbox
  let agent: SandboxAgent

  beforeEach(async () => {
    provider = await startWlcgProvider()
    sandbox = await Sandbox.create()
    // Everyone may pass: what is tested are the directory and the socket of the agent.
    await chmod(sandbox.directory, 0o711)
    await seedAccount(sandbox, provider, 'wlcg')
    const socketPath = join(sandbox.directory, 'shared', 'agent.sock')
    agent = await sandbox.startAgent([`--with-group=${GROUP}`, '-a', socketPath])
    await addAccount(sandbox, 'wlcg')
  })

  afterEach(async () => {
    await sandbox.close()
    await provider.close()
  })

  async function reply(user: OtherUser | undefined, request: object): Promise<unknown> {
    if (user === undefined) throw new Error('only root can run commands as another user')
    const text = await askAs(user, agent.socketPath, request)
    return text.startsWith('{') ? JSON.parse(text) : text
  }

  test('a member of the group gets tokens, the loaded accounts and the status', async () => {
    expect(await reply(member, { request: 'access_token', account: 'wlcg' })).toMatchObject({
      status: 'success',
      access_token: expect.stringMatching(/^ey/) as string,
    })
    expect(await reply(member, { request: 'loaded_accounts' })).toMatchObject({ info: ['wlcg'] })
    expect(await reply(member, { request: 'check' })).toEqual({ status: 'success' })
    expect(await reply(member, { request: 'status_json' })).toMatchObject({ status: 'success' })
  })

  test('a member of the group cannot load or remove accounts, lock the agent or write files', async () => {
    const marker = join(sandbox.directory, 'ran')
    const config = { name: 'x', issuer_url: provider.issuer, client_id: 'x', refresh_token: 'x' }
    const requests = [
      { request: 'add', config, pw_entry: { account: 'x', type: 4, command: `touch ${marker}` } },
      { request: 'lock', password: 'theirs' },
      { request: 'remove_all' },
      { request: 'token_file', account: 'wlcg', path: marker },
      { request: 'id_token', account: 'wlcg' },
    ]
    for (const request of requests) expect(await reply(member, request)).toMatchObject(forbidden)
    expect(await stat(marker).catch(() => 'no file')).toBe('no file')
    // The owner still can, and the account is still loaded.
    expect(await exchange(agent.socketPath, '{"request":"loaded_accounts"}')).toContain('wlcg')
  })

  test('a member of the group cannot list the directory, nor remove or replace the socket', async () => {
    if (member === undefined) throw new Error('only root can run commands as another user')
    expect(await changeAs(member, agent.socketPath)).toEqual({
      unlink: 'EACCES',
      rename: 'EACCES',
      replace: 'EACCES',
      list: 'EACCES',
    })
    const directory = await stat(dirname(agent.socketPath))
    expect({ mode: directory.mode & 0o7777, gid: directory.gid }).toEqual({
      mode: 0o710,
      gid: GROUP,
    })
    const socket = await stat(agent.socketPath)
    expect({ mode: socket.mode & 0o7777, gid: socket.gid }).toEqual({ mode: 0o660, gid: GROUP })
  })

  test("another user of the owner's primary group is refused", async () => {
    expect(await reply(outsider, { request: 'check' })).toBe('EACCES')
  })

  test("a directory of the user's own keeps its mode, and a user outside the group is refused there", async () => {
    const directory = join(sandbox.directory, 'own')
    await mkdir(directory)
    await chmod(directory, 0o755)
    agent = await sandbox.startAgent([`--with-group=${GROUP}`, '-a', join(directory, 's')])
    const { mode, gid } = await stat(directory)
    expect({ mode: mode & 0o7777, gid }).toEqual({ mode: 0o755, gid: 0 })
    expect(await reply(member, { request: 'check' })).toEqual({ status: 'success' })
    expect(await reply(outsider, { request: 'check' })).toBe('EACCES')
    // Also where the mode of the socket lets the user in.
    await chmod(agent.socketPath, 0o666)
    expect(await reply(outsider, { request: 'check' })).toMatchObject(forbidden)
  })
})
