import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { noPeerReason, runPeer, startPeerAgent } from '../support/c-peer.ts'
import { outputOf } from '../support/command.ts'
import { approveWhenShown } from '../support/oidc-gen-output.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox } from '../support/sandbox.ts'
import { addAccount, PASSWORD, SCOPE, seedAccount, startLoaded } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const VECTORS = join(import.meta.dirname, '..', 'vectors')
const env = { OIDC_ENCRYPTION_PW: PASSWORD }

let provider: WlcgProvider
let sandbox: Sandbox

const title = 'account files of ours and of the C program'

describe.skipIf(noPeerReason !== undefined)(
  noPeerReason === undefined ? title : `${title} (skipped: ${noPeerReason})`,
  () => {
    beforeEach(async () => {
      provider = await startWlcgProvider()
      sandbox = await Sandbox.create()
    })

    afterEach(async () => {
      await sandbox.close()
      await provider.close()
    })

    test('the C oidc-gen and oidc-add read our account file, also after a rotation has rewritten it', async () => {
      provider.settings.rotate = true
      const { account } = await startLoaded(sandbox, provider)
      outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))
      const printed = outputOf(
        await runPeer(sandbox, 'oidc-gen', ['--pw-env', '-p', 'wlcg'], { env }),
      )
      const read = JSON.parse(printed) as Record<string, unknown>
      expect(read).toMatchObject({ name: 'wlcg', client_id: account['client_id'] })
      expect(read['refresh_token']).not.toBe(account['refresh_token'])

      outputOf(await sandbox.run('oidc-agent', ['-k']))
      await startPeerAgent(sandbox)
      outputOf(await runPeer(sandbox, 'oidc-add', ['--pw-env', 'wlcg'], { env }))
      expect(outputOf(await runPeer(sandbox, 'oidc-token', ['wlcg']))).toMatch(/^ey/)
    })

    test.each(['c426-v1', 'c426-v2', 'c533-v4', 'c533-v5', 'hex-sodium23'])(
      'our oidc-gen and the C oidc-gen print the recorded file %s alike',
      async (name) => {
        await copyFile(join(VECTORS, `${name}.enc`), join(sandbox.configDirectory, name))
        const password = await readFile(join(VECTORS, `${name}.password`), 'utf8')
        const file = await sandbox.file('password', password)
        const args = [`--pw-file=${file}`, '-p', name]
        const ours = JSON.parse(outputOf(await sandbox.run('oidc-gen', args))) as unknown
        const theirs = JSON.parse(outputOf(await runPeer(sandbox, 'oidc-gen', args))) as object
        expect(ours).toMatchObject(theirs)
      },
    )

    test.skipIf(noTerminalReason !== undefined)(
      'an account of the C oidc-gen loads in our agent, rotates there, and loads in the C agent again',
      async () => {
        await startPeerAgent(sandbox)
        const gen = `/usr/bin/oidc-gen -w device --cp='${provider.caPath}' --pw-env wlcg`
        sandbox.env['OIDC_ENCRYPTION_PW'] = PASSWORD
        const made = await runInTerminal(sandbox, gen, [
          { question: 'Issuer', answer: provider.issuer },
          { question: 'Scopes or', answer: SCOPE },
          { question: 'code: ', answer: (screen) => approveWhenShown(screen, provider) },
        ])
        expect(made.screen).toContain('Everything setup correctly!')
        outputOf(await runPeer(sandbox, 'oidc-agent', ['-k']))

        provider.settings.rotate = true
        await sandbox.startAgent()
        await addAccount(sandbox, 'wlcg')
        outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))
        outputOf(await sandbox.run('oidc-agent', ['-k']))

        await startPeerAgent(sandbox)
        outputOf(await runPeer(sandbox, 'oidc-add', ['--pw-env', '--pw-store', 'wlcg'], { env }))
        expect(outputOf(await runPeer(sandbox, 'oidc-token', ['wlcg']))).toMatch(/^ey/)
      },
    )

    test('our agent loads an account file that the C agent has rewritten after a rotation', async () => {
      await seedAccount(sandbox, provider, 'wlcg')
      provider.settings.rotate = true
      await startPeerAgent(sandbox)
      outputOf(await runPeer(sandbox, 'oidc-add', ['--pw-env', '--pw-store', 'wlcg'], { env }))
      outputOf(await runPeer(sandbox, 'oidc-token', ['-f', 'wlcg']))
      outputOf(await runPeer(sandbox, 'oidc-agent', ['-k']))
      await sandbox.startAgent()
      await addAccount(sandbox, 'wlcg')
      expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(/^ey/)
    })
  },
)
