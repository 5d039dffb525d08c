import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type Finished, outputOf, shown } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import { startLoaded } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const SE = 'https://se.example.org'
const CE = 'ce.example.org:9619'

let provider: WlcgProvider
let sandbox: Sandbox

beforeAll(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  await startLoaded(sandbox, provider)
})

afterAll(async () => {
  await sandbox.close()
  await provider.close()
})

function inspect(...args: readonly string[]): Promise<Finished> {
  return sandbox.run('oidc-token', ['--inspect', ...args])
}

describe('oidc-token --inspect', () => {
  test("oidc-token --inspect --verify checks the signature of an account's token with the keys of its issuer", async () => {
    const said = await inspect('--verify', `--aud=${SE}`, '-s', 'storage.read:/data', 'wlcg')
    expect(said.status, shown(said)).toBe(0)
    expect(said.stdout).toMatch(/^ok +signature +by key wlcg-1 of the issuer$/m)
    expect(said.stdout).toContain('read files below /data')
    expect(said.stderr).toBe('')
  })

  test.each([
    [SE, 'storage.read:/data', 'read root://se.example.org//data/x', 0],
    [SE, 'storage.read:/data', 'delete root://se.example.org//data/x', 1],
    [`${SE}/`, 'storage.read:/data', 'read https://se.example.org/data/x', 1],
    [CE, 'compute.read', `query condor://${CE}`, 0],
    [CE, 'compute.create', `submit condor://${CE}`, 1],
  ])(
    'oidc-token --inspect --for with --aud=%s -s %s: "%s" ends with status %i',
    async (aud, scope, use, status) => {
      const [op = '', url = ''] = use.split(' ')
      const wanted = [`--aud=${aud}`, '-s', scope, `--for=${url}`, '--op', op]
      const said = await inspect(...wanted, 'wlcg')
      expect(said.status, shown(said)).toBe(status)
      const answer = status === 0 ? 'should work' : 'will not work'
      expect(said.stdout).toContain(`This token ${answer} for: ${use}`)
    },
  )

  test('oidc-token --inspect finds the managed token file, detects a forged token, and sends no token anywhere', async () => {
    outputOf(await sandbox.run('oidc-token', ['--file', `--aud=${SE}`, 'wlcg']))
    const before = provider.counters.requests.length
    const found = await inspect('--json', '--verify')
    expect(found.status, shown(found)).toBe(0)
    expect(JSON.parse(found.stdout)).toMatchObject({ audience: [SE], ok: true })
    const claims = (JSON.parse(found.stdout) as { claims: JsonObject }).claims
    const forged = provider.sign({ ...claims, sub: 'root' }, { kid: 'mine' })
    const said = await sandbox.sh(`printf %s ${forged} | oidc-token --inspect --verify -`)
    expect(said.status).toBe(1)
    expect(said.stdout).toMatch(/^not ok +signature +the issuer does not publish key mine$/m)
    for (const { path, authorization, body } of provider.counters.requests.slice(before)) {
      expect([path, authorization, body]).toEqual(['/jwks', undefined, ''])
    }
    expect(provider.counters.requests).toHaveLength(before + 2)
  })

  test('oidc-token --inspect --verify trusts the authority of --cert-path', async () => {
    const stranger = await startWlcgProvider()
    try {
      const input = stranger.sign({ iss: stranger.issuer, sub: 'alice' })
      const verify = (...more: readonly string[]): Promise<Finished> =>
        sandbox.run('oidc-token', ['--inspect', '--verify', ...more, '-'], { input })
      expect((await verify()).stdout).toMatch(/^not ok +signature .*is not trusted.*--cert-path=/m)
      await symlink(stranger.caPath, join(sandbox.home, 'ca.pem'))
      expect((await verify('--cp=ca.pem')).stdout).toMatch(/^ok +signature +by key wlcg-1/m)
    } finally {
      await stranger.close()
    }
  })

  test('oidc-token --inspect --verify without the provider reports that, and all other checks', async () => {
    await provider.down()
    const said = await inspect('--verify')
    await provider.up()
    expect(said.status).toBe(1)
    expect(said.stdout).toMatch(/^not ok +signature +could not be checked: /m)
    expect(said.stdout).toMatch(/^ok +expires /m)
  })
})
