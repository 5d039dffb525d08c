import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf, verifiedPayload } from '../support/access-token.ts'
import { outputOf, shown } from '../support/command.ts'
import { isRunning } from '../support/process-table.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, SCOPE } from '../support/seed-account.ts'
import { approveWhenShown } from '../support/shown-device-code.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const CE = 'ce.example.org:9619'
const TOKEN_FOR_CE = ['--aud=ce.example.org:9619', '--scope', 'compute.read compute.create', 'wlcg']
const JWT_LINE = /^[\w-]+\.[\w-]+\.[\w-]+\n$/

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  provider = await startWlcgProvider({ trailingSlash: true, pollSeconds: 1 })
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

describe('from a fresh machine to a token for one computing element', () => {
  test('options alone lead from a fresh machine to a token, and on another day in a new shell', async () => {
    const passwordFile = await sandbox.file('password', `${PASSWORD}\n`)
    await sandbox.startAgent()
    const gen = sandbox.start('oidc-gen', [
      ...['-w', 'device', `--iss=${provider.issuer}`, `--cp=${provider.caPath}`],
      ...[`--scope=${SCOPE}`, `--pw-file=${passwordFile}`, '--prompt=none', 'wlcg'],
    ])
    let said = ''
    gen.child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    await approveWhenShown(() => said, provider)
    const generated = await gen.finished
    expect(outputOf(generated)).toMatch(/Everything setup correctly!\n$/)

    const forCe = await sandbox.run('oidc-token', TOKEN_FOR_CE)
    expect(outputOf(forCe)).toMatch(JWT_LINE)
    expect(forCe.stderr).toBe('')
    const payload = await verifiedPayload(provider, forCe.stdout.trim(), CE)
    expect(payload).toMatchObject({
      aud: CE,
      scope: 'compute.read compute.create',
      'wlcg.ver': '1.0',
      sub: 'alice',
    })

    outputOf(await sandbox.run('oidc-agent', ['-k']))
    const nextDay = await sandbox.sh(
      `eval \`oidc-agent\`; oidc-add --pw-file='${passwordFile}' wlcg && oidc-token wlcg; echo "status $?"; env | grep ^OIDC; oidc-agent -k`,
    )
    expect(shown(nextDay)).toMatch(/^Agent pid \d+\nsuccess\n[\w-]+\.[\w-]+\.[\w-]+\nstatus 0$/m)
    const token = /^ey\S+$/m.exec(nextDay.stdout)?.[0] ?? ''
    expect(payloadOf(token)).toMatchObject({ iss: provider.issuer, sub: 'alice' })
    expect(isRunning(Number(/OIDCD_PID=(\d+)/.exec(nextDay.stdout)?.[1]))).toBe(false)
  })

  test.skipIf(noTerminalReason !== undefined)(
    `the commands of the guide, typed in a terminal, lead from a fresh machine to a token${noTerminalReason === undefined ? '' : ` (skipped: ${noTerminalReason})`}`,
    async () => {
      await sandbox.startAgent()
      const gen = await runInTerminal(
        sandbox,
        `oidc-gen -w device --cp='${provider.caPath}' wlcg`,
        [
          { question: 'Issuer', answer: provider.issuer },
          { question: "Scopes or 'max'", answer: 'max' },
          { question: 'code: ', answer: (screen) => approveWhenShown(screen, provider) },
          { question: 'Enter encryption password', answer: PASSWORD },
          { question: 'Confirm encryption password', answer: `not ${PASSWORD}` },
          { question: 'Enter encryption password', answer: PASSWORD },
          { question: 'Confirm encryption password', answer: PASSWORD },
        ],
      )
      expect(gen.screen).toContain('Everything setup correctly!')
      expect(gen.screen).not.toContain(PASSWORD)
      // The QR code, drawn with half blocks.
      expect(gen.screen).toMatch(/[█▀▄]{10}/)
      expect(gen.status).toBe(0)

      const forCe = outputOf(await sandbox.run('oidc-token', TOKEN_FOR_CE))
      expect(await verifiedPayload(provider, forCe.trim(), CE)).toMatchObject({ aud: CE })

      outputOf(await sandbox.run('oidc-agent', ['-k']))
      await sandbox.startAgent()
      const add = await runInTerminal(sandbox, 'oidc-add wlcg >added', [
        { question: 'wlcg', answer: PASSWORD },
      ])
      expect(add.screen).not.toContain(PASSWORD)
      expect(add.status).toBe(0)
      expect(outputOf(await sandbox.sh('cat added; oidc-token wlcg'))).toMatch(/^success\ney\S+\n$/)
    },
  )
})
