import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { libraryClient, noLibraryReason, noPeerReason, runPeer } from '../support/c-peer.ts'
import { outputOf } from '../support/command.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, seedAccount, startLoaded } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox

const TOKEN_LINE = /^ey[\w-]+\.[\w-]+\.[\w-]+\n$/
const env = { OIDC_ENCRYPTION_PW: PASSWORD }

function peer(command: string, ...args: string[]): ReturnType<typeof runPeer> {
  return runPeer(sandbox, command, args, { env })
}

function unless(reason: string | undefined, title: string): string {
  return reason === undefined ? title : `${title} (skipped: ${reason})`
}

describe.skipIf(noPeerReason !== undefined)(
  unless(noPeerReason, 'C clients with our agent'),
  () => {
    beforeAll(async () => {
      provider = await startWlcgProvider()
      sandbox = await Sandbox.create()
      await startLoaded(sandbox, provider)
    })

    afterAll(async () => {
      await sandbox.close()
      await provider.close()
    })

    test('the C oidc-token gets a token for an audience and scopes, with issuer and expiry, from our agent', async () => {
      expect(outputOf(await peer('oidc-token', 'wlcg'))).toMatch(TOKEN_LINE)
      const wish = ['--aud=ce.example.org:9619', '-s', 'compute.read', '-s', 'compute.create']
      const token = outputOf(await peer('oidc-token', ...wish, 'wlcg'))
      expect(payloadOf(token)).toMatchObject({
        aud: 'ce.example.org:9619',
        scope: 'compute.read compute.create',
      })
      const [again, issuer, expires] = outputOf(await peer('oidc-token', '-a', 'wlcg')).split('\n')
      expect(again).toMatch(/^ey/)
      // 4.2.6 adds a slash.
      expect(issuer?.replace(/\/$/, '')).toBe(provider.issuer)
      expect(Number(expires)).toBe(payloadOf(again ?? '').exp)
      expect(outputOf(await peer('oidc-token', '-c', 'wlcg'))).toMatch(
        /^OIDC_AT=ey\S+; export OIDC_AT;\n/,
      )
    })

    test('the C oidc-token gets a token by issuer, and a new one with -f, from our agent', async () => {
      expect(outputOf(await peer('oidc-token', `${provider.issuer}/`))).toMatch(TOKEN_LINE)
      const before = provider.counters.tokenRequests['refresh_token'] ?? 0
      expect(outputOf(await peer('oidc-token', '-f', 'wlcg'))).toMatch(TOKEN_LINE)
      expect(provider.counters.tokenRequests['refresh_token']).toBe(before + 1)
    })

    test('the C oidc-token prints the errors of our agent as those of the C agent', async () => {
      const unknown = await peer('oidc-token', 'nobody')
      expect(unknown).toMatchObject({ status: 1, stdout: '' })
      expect(unknown.stderr).toMatch(
        /Error: (No account configured with that short name|account not loaded)/,
      )
      const wide = await peer('oidc-token', '-s', 'compute.modify', 'wlcg')
      expect(wide).toMatchObject({ status: 1, stdout: '' })
      expect(wide.stderr).toContain('invalid_scope')
    })

    test('the C oidc-add loads, lists and removes our account files in our agent', async () => {
      await seedAccount(sandbox, provider, 'other')
      expect(outputOf(await peer('oidc-add', '--pw-env', 'other'))).toContain('success')
      expect(outputOf(await peer('oidc-add', '-a'))).toMatch(/wlcg\nother\n/)
      expect(outputOf(await peer('oidc-add', '-l'))).toMatch(/other\nwlcg\n/)
      expect(outputOf(await peer('oidc-token', 'other'))).toMatch(TOKEN_LINE)
      expect(outputOf(await peer('oidc-add', '-r', 'other'))).toContain('success')
      expect(await peer('oidc-add', '-r', 'other')).toMatchObject({ status: 1 })
      outputOf(await peer('oidc-add', '--pw-env', '-t', '1', 'other'))
      await expect
        .poll(async () => outputOf(await peer('oidc-add', '-a')), { timeout: 5000 })
        .not.toContain('other')
      expect(outputOf(await peer('oidc-add', '-R'))).toContain('success')
      expect(outputOf(await peer('oidc-add', '-a'))).not.toContain('wlcg')
      expect(outputOf(await peer('oidc-add', '--pw-env', 'wlcg'))).toContain('success')
    })

    test.skipIf(noTerminalReason !== undefined)(
      unless(noTerminalReason, 'the C oidc-add locks and unlocks our agent'),
      async () => {
        const lock = await runInTerminal(sandbox, '/usr/bin/oidc-add -x', [
          { question: 'Enter lock password', answer: 'sesame' },
          { question: 'Confirm lock password', answer: 'sesame' },
        ])
        expect(lock.screen).toContain('success')
        expect((await peer('oidc-token', 'wlcg')).stderr).toContain('Agent locked')
        const wrong = await runInTerminal(sandbox, '/usr/bin/oidc-add -X', [
          { question: 'Enter lock password', answer: 'simsim' },
        ])
        expect(wrong.screen).toContain('wrong password')
        const unlock = await runInTerminal(sandbox, '/usr/bin/oidc-add -X', [
          { question: 'Enter lock password', answer: 'sesame' },
        ])
        expect(unlock.screen).toContain('success')
        expect(outputOf(await peer('oidc-token', 'wlcg'))).toMatch(TOKEN_LINE)
      },
    )

    test('the C oidc-agent --status prints the status of our agent, as text and as JSON', async () => {
      expect(outputOf(await peer('oidc-agent', '--status'))).toMatch(/1 accounts? loaded: wlcg/)
      const json: unknown = JSON.parse(outputOf(await peer('oidc-agent', '--status', '--json')))
      expect(json).toMatchObject({ loaded_accounts: ['wlcg'] })
    })

    test('our agent saves rotated refresh tokens of an account that the C oidc-add has loaded', async () => {
      outputOf(await peer('oidc-add', '-r', 'wlcg'))
      outputOf(await peer('oidc-add', '--pw-env', '--pw-store', 'wlcg'))
      provider.settings.rotate = true
      for (let round = 0; round < 3; round += 1) outputOf(await peer('oidc-token', '-f', 'wlcg'))
      outputOf(await peer('oidc-add', '-r', 'wlcg'))
      outputOf(await peer('oidc-add', '--pw-env', 'wlcg'))
      expect(outputOf(await peer('oidc-token', 'wlcg'))).toMatch(TOKEN_LINE)
    })
  },
)

describe.skipIf(noLibraryReason !== undefined)(
  unless(noLibraryReason, 'liboidc-agent with our agent'),
  () => {
    test('an unmodified client of liboidc-agent gets tokens and errors from our agent', async () => {
      provider = await startWlcgProvider()
      sandbox = await Sandbox.create()
      try {
        await startLoaded(sandbox, provider)
        const client = await libraryClient(sandbox)
        const output = outputOf(await sandbox.run(client, ['wlcg', 'se.example.org', '200']))
        const [token = '', issuer, expiresAt] = output.split('\n')
        expect(payloadOf(token)).toMatchObject({ aud: 'se.example.org', exp: Number(expiresAt) })
        expect(issuer).toBe(provider.issuer)
        const unknown = await sandbox.run(client, ['nobody', '', '1'])
        expect(unknown.status).toBe(1)
        expect(unknown.stdout).toMatch(
          /No account configured with that short name|account not loaded/,
        )
      } finally {
        await sandbox.close()
        await provider.close()
      }
    })
  },
)
