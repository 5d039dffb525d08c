import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { noPeerReason, startPeerAgent } from '../support/c-peer.ts'
import { outputOf } from '../support/command.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox } from '../support/sandbox.ts'
import { addAccount, PASSWORD, seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const TOKEN_LINE = /^ey[\w-]+\.[\w-]+\.[\w-]+\n$/

let provider: WlcgProvider
let sandbox: Sandbox

const title = 'our clients with the C agent'

describe.skipIf(noPeerReason !== undefined)(
  noPeerReason === undefined ? title : `${title} (skipped: ${noPeerReason})`,
  () => {
    beforeAll(async () => {
      provider = await startWlcgProvider()
      sandbox = await Sandbox.create()
      await startPeerAgent(sandbox)
      await seedAccount(sandbox, provider, 'wlcg')
      await addAccount(sandbox, 'wlcg')
    })

    afterAll(async () => {
      await sandbox.close()
      await provider.close()
    })

    test('our oidc-token gets tokens, issuer and expiry from the C agent', async () => {
      expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(TOKEN_LINE)
      const wish = ['--aud=ce.example.org:9619', '-s', 'compute.read', 'wlcg']
      const token = outputOf(await sandbox.run('oidc-token', wish))
      expect(payloadOf(token)).toMatchObject({ aud: 'ce.example.org:9619' })
      const [, issuer, expires] = outputOf(await sandbox.run('oidc-token', ['-a', 'wlcg'])).split(
        '\n',
      )
      expect(issuer?.replace(/\/$/, '')).toBe(provider.issuer)
      expect(Number(expires)).toBeGreaterThan(Date.now() / 1000)
    })

    test('our oidc-token reports the errors of the C agent', async () => {
      const unknown = await sandbox.run('oidc-token', ['nobody'])
      expect(unknown).toMatchObject({ status: 1, stdout: '' })
      expect(unknown.stderr).toMatch(/^Error: /)
    })

    test('our oidc-add loads, lists and removes accounts in the C agent', async () => {
      await seedAccount(sandbox, provider, 'other')
      await addAccount(sandbox, 'other')
      expect(outputOf(await sandbox.run('oidc-add', ['-a']))).toMatch(/wlcg\nother\n/)
      expect(outputOf(await sandbox.run('oidc-add', ['-r', 'other']))).toBe('success\n')
      expect(outputOf(await sandbox.run('oidc-add', ['-R']))).toBe('success\n')
      expect(outputOf(await sandbox.run('oidc-add', ['-l']))).toBe('other\nwlcg\n')
      await addAccount(sandbox, 'wlcg')
    })

    test('our oidc-agent --status prints the status of the C agent', async () => {
      expect(outputOf(await sandbox.run('oidc-agent', ['--status']))).toContain('wlcg')
      const json = outputOf(await sandbox.run('oidc-agent', ['--status', '--json']))
      expect(JSON.parse(json)).toMatchObject({ loaded_accounts: ['wlcg'] })
    })

    test.skipIf(noTerminalReason !== undefined)(
      'our oidc-add locks and unlocks the C agent',
      async () => {
        const lock = await runInTerminal(sandbox, 'oidc-add -x', [
          { question: 'Enter lock password', answer: PASSWORD },
          { question: 'Confirm lock password', answer: PASSWORD },
        ])
        expect(lock).toMatchObject({ status: 0 })
        expect((await sandbox.run('oidc-token', ['wlcg'])).stderr).toContain('Agent locked')
        const unlock = await runInTerminal(sandbox, 'oidc-add -X', [
          { question: 'Enter lock password', answer: PASSWORD },
        ])
        expect(unlock).toMatchObject({ status: 0 })
        expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(TOKEN_LINE)
      },
    )

    test('our oidc-agent -k ends the C agent', async () => {
      expect(outputOf(await sandbox.run('oidc-agent', ['-k']))).toContain('unset OIDC_SOCK;')
    })
  },
)
