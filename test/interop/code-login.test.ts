import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { logIn, redirectAfterLogin } from '../support/approve.ts'
import { noPeerReason, runPeer, startPeerAgent } from '../support/c-peer.ts'
import { outputOf } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { addressIn } from '../support/oidc-gen-output.ts'
import { until } from '../support/process-table.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, SCOPE } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const env = { OIDC_ENCRYPTION_PW: PASSWORD }
let provider: WlcgProvider
let sandbox: Sandbox
let port: number

describe.skipIf(noPeerReason !== undefined)(
  `logins by browser and the C program${noPeerReason === undefined ? '' : ` (skipped: ${noPeerReason})`}`,
  () => {
    beforeEach(async () => {
      port = await freePort()
      provider = await startWlcgProvider({
        clients: [
          {
            client_id: 'given',
            client_secret: 'of-the-person',
            scope: SCOPE,
            application_type: 'native',
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            redirect_uris: [`http://localhost:${port}`],
          },
        ],
      })
      sandbox = await Sandbox.create()
    })

    afterEach(async () => {
      await sandbox.close()
      await provider.close()
    })

    function options(): string[] {
      return [
        ...['-m', '--client-id=given', '--client-secret=of-the-person'],
        ...[`--redirect-uri=http://localhost:${port}`, `--cp=${provider.caPath}`],
        ...[`--iss=${provider.issuer}/`, `--scope=${SCOPE}`, '-w', 'code', '--pw-env'],
        ...['--no-url-call', '--prompt=none', 'wlcg'],
      ]
    }

    /** Starts an oidc-gen. Returns the authorization URL that it shows. */
    async function shownBy(
      command: string,
      args: readonly string[],
    ): Promise<{ address: string; finished: ReturnType<Sandbox['start']>['finished'] }> {
      const { child, finished } = sandbox.start(command, args, { env })
      let said = ''
      const collect = (chunk: Buffer): void => {
        said += chunk.toString()
      }
      child.stdout?.on('data', collect)
      child.stderr?.on('data', collect)
      let ended = false
      child.once('close', () => {
        ended = true
      })
      await until('an address', () => addressIn(said) !== undefined || ended, 30_000)
      const address = addressIn(said)
      if (address === undefined) throw new Error(`no address: ${said}`)
      return { address, finished }
    }

    test('the C oidc-gen logs in by browser with the web server of our agent', async () => {
      await sandbox.startAgent()
      const { address, finished } = await shownBy('/usr/bin/oidc-gen', options())
      const { html } = await logIn({ address, caPem: provider.caPem })
      expect(html).toContain('You are logged in')
      expect(outputOf(await finished)).toContain('Everything setup correctly!')
      expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(/^ey\S+\n$/)
    })

    test('our oidc-gen logs in by browser with the web server of the C agent', async () => {
      await startPeerAgent(sandbox)
      const { address, finished } = await shownBy('oidc-gen', options())
      await logIn({ address, caPem: provider.caPem })
      expect(outputOf(await finished)).toContain('Everything setup correctly!')
      expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(/^ey\S+\n$/)
    })

    test('the C oidc-gen --codeExchange completes a login in our agent', async () => {
      await sandbox.startAgent()
      const { address, finished } = await shownBy('oidc-gen', [...options(), '--no-webserver'])
      await finished
      const redirect = await redirectAfterLogin({ address, caPem: provider.caPem })
      const exchange = [`--codeExchange=${redirect.href}`, '--pw-env', '--prompt=none']
      const done = await runPeer(sandbox, 'oidc-gen', exchange, { env })
      expect(outputOf(done)).toContain('success')
      expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(/^ey\S+\n$/)
    })
  },
)
