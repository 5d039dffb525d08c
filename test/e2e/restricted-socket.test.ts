import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { type Finished, outputOf } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import { addAccount, seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const SE = 'https://se.example:1094'
const LIMIT = `wlcg&scopes=storage.read:/data,compute.read&audience=${SE}`

let provider: WlcgProvider
let sandbox: Sandbox
let path: string

beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  path = join(sandbox.directory, 'restricted', 'oidc.sock')
  await seedAccount(sandbox, provider, 'wlcg')
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

/** Runs a command as the other side of the restricted socket. */
function other(command: string, args: readonly string[]): Promise<Finished> {
  return sandbox.run(command, args, { env: { OIDC_SOCK: path } })
}

async function gone(): Promise<boolean> {
  return stat(path).then(
    () => false,
    () => true,
  )
}

describe('a restricted socket', () => {
  test('oidc-agent --restricted-socket opens one that gives out only what is allowed', async () => {
    const agent = await sandbox.startAgent(['--restricted-socket', path, '--allow', LIMIT])
    await addAccount(sandbox, 'wlcg')
    expect((await stat(path)).mode & 0o777).toBe(0o600)

    const whole = payloadOf(outputOf(await other('oidc-token', ['wlcg'])).trim())
    expect({ scope: whole['scope'], aud: whole.aud }).toEqual({
      scope: 'storage.read:/data compute.read',
      aud: SE,
    })
    const narrower = ['--scope=storage.read:/data/run1', `--aud=${SE}`, 'wlcg']
    expect(payloadOf(outputOf(await other('oidc-token', narrower)).trim())['scope']).toBe(
      'storage.read:/data/run1',
    )
    for (const args of [['--scope=storage.read:/'], ['--scope=openid'], ['--aud=x']]) {
      const { status, stdout, stderr } = await other('oidc-token', [...args, 'wlcg'])
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toContain('operation forbidden')
    }
    for (const args of [['-R'], ['-r', 'wlcg'], ['--share=/tmp/x', '--allow=wlcg&scopes=*']]) {
      const { status, stderr } = await other('oidc-add', args)
      expect({ status, stderr }).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('operation forbidden') as string,
      })
    }
    expect(outputOf(await other('oidc-add', ['-a']))).toContain('wlcg')
    await sandbox.endAgent(agent)
    expect(await gone()).toBe(true)
    expect(await stat(dirname(path)).catch(() => 'gone')).toBe('gone')
  })

  test('oidc-add --share opens one on a running agent, status lists it and --unshare closes it', async () => {
    await sandbox.startAgent()
    await addAccount(sandbox, 'wlcg')
    outputOf(await sandbox.run('oidc-add', ['--share', path, '--allow', LIMIT]))
    expect(outputOf(await sandbox.run('oidc-agent', ['--status']))).toContain(
      `Restricted sockets:\n${path}\n\t${LIMIT}\n`,
    )
    const json = outputOf(await sandbox.run('oidc-agent', ['--status', '--json']))
    expect(JSON.parse(json)).toMatchObject({ shares: [{ path, allow: [LIMIT], expires_at: null }] })
    outputOf(await other('oidc-token', ['wlcg']))
    outputOf(await sandbox.run('oidc-add', ['--unshare', path]))
    expect(await gone()).toBe(true)
    expect((await other('oidc-token', ['wlcg'])).status).toBe(1)
    outputOf(await sandbox.run('oidc-token', ['wlcg']))
  })

  test('an agent whose restricted socket cannot be opened does not start', async () => {
    const file = await sandbox.file('home/precious', 'not a socket')
    const args = ['--restricted-socket', file, '--allow', LIMIT]
    const { status, stdout, stderr } = await sandbox.run('oidc-agent', args)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`${file} exists and is not a socket of this user`)
  })
})
