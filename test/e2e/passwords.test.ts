import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callAgent } from '../../protocol/client/call.ts'
import { outputOf, secondUser, shown } from '../support/command.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import {
  addAccount,
  PASSWORD,
  seedAccount,
  startLoaded,
  tokenFrom,
} from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

async function loaded(): Promise<string> {
  return outputOf(await sandbox.run('oidc-add', ['-a']))
}

const onlyWithTerminal = noTerminalReason === undefined ? '' : ` (skipped: ${noTerminalReason})`

test.skipIf(process.platform !== 'linux')(
  'oidc-add cannot be traced by its user once it reads a password, and finds one that a pipe of the shell carries',
  async () => {
    await sandbox.close()
    // Root may trace every process.
    sandbox = await Sandbox.create(secondUser === undefined ? {} : { user: secondUser })
    const modules = join(sandbox.directory, 'modules')
    for (const name of ['koffi', '@koromix']) {
      const from = join(import.meta.dirname, '..', '..', 'node_modules', name)
      await cp(from, join(modules, name), { recursive: true, dereference: true })
    }
    await seedAccount(sandbox, provider, 'wlcg')
    const file = await sandbox.file('password', `${PASSWORD}\n`)
    const script = `
      readable='cat /proc/$PPID/environ >/dev/null 2>&1'
      sh -c "sh -c '$readable && echo readable'; :"
      oidc-add --pw-cmd="$readable && exit 1; cat ${file}" -p wlcg | grep -c refresh_token
      bash -c 'oidc-add --pw-file=<(cat ${file}) -p wlcg' | grep -c refresh_token`
    const finished = await sandbox.sh(script, { env: { NODE_PATH: modules } })
    expect(finished.stdout, shown(finished)).toBe('readable\n1\n1\n')
  },
)

describe('password of an account file', () => {
  test('oidc-add with a wrong password and without a terminal fails and loads nothing', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    await sandbox.startAgent()
    const env = { OIDC_ENCRYPTION_PW: 'wrong' }
    const { status, stdout, stderr } = await sandbox.run('oidc-add', ['--pw-env', 'wlcg'], { env })
    expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' })
    expect(await loaded()).not.toContain('wlcg')
    expect(provider.counters.tokenRequests['refresh_token']).toBeUndefined()
  })

  test('oidc-add takes the password from --pw-env, --pw-file and --pw-cmd', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    await sandbox.startAgent()
    const file = await sandbox.file('password', `${PASSWORD}\nsecond line\n`)
    const env = { OIDC_ENCRYPTION_PW: PASSWORD, MINE: PASSWORD }
    for (const option of [
      '--pw-env',
      '--pw-env=MINE',
      `--pw-file=${file}`,
      `--pw-cmd=cat ${file} | head -1`,
    ]) {
      expect(outputOf(await sandbox.run('oidc-add', [option, 'wlcg'], { env }))).toBe('success\n')
      outputOf(await sandbox.run('oidc-add', ['-r', 'wlcg']))
    }
  })

  test.skipIf(noTerminalReason !== undefined)(
    `oidc-add asks three times for the password, then fails${onlyWithTerminal}`,
    async () => {
      await seedAccount(sandbox, provider, 'wlcg')
      await sandbox.startAgent()
      const wrong = { question: 'password', answer: 'wrong' }
      const { screen, status } = await runInTerminal(sandbox, 'oidc-add wlcg', [
        wrong,
        wrong,
        wrong,
      ])
      expect(status).toBe(1)
      expect(screen).toContain('reached maximum number of tries')
      expect(await loaded()).not.toContain('wlcg')
    },
  )

  test.skipIf(noTerminalReason !== undefined)(
    `oidc-token in a terminal asks for the password, loads the account, and prints only the token${onlyWithTerminal}`,
    async () => {
      await seedAccount(sandbox, provider, 'wlcg')
      await sandbox.startAgent()
      const { screen, status } = await runInTerminal(sandbox, 'oidc-token wlcg >token', [
        { question: 'password', answer: 'wrong' },
        { question: 'password', answer: PASSWORD },
      ])
      expect(status, screen).toBe(0)
      expect(outputOf(await sandbox.run('cat', ['token']))).toMatch(/^ey\S+\n$/)
      expect(await loaded()).toContain('wlcg')
    },
  )

  test.skipIf(noTerminalReason !== undefined)(
    `Ctrl-C at the password question ends the command and restores the terminal${onlyWithTerminal}`,
    async () => {
      await seedAccount(sandbox, provider, 'wlcg')
      await sandbox.startAgent()
      // A loop of bash goes on after a command that ends with a status, also with 130.
      const line = `trap : INT; stty -g >before
        bash -c 'for i in 1 2; do oidc-add wlcg; done'
        echo "status $?"; stty -g | cmp - before && echo same`
      const { screen } = await runInTerminal(sandbox, line, [
        { question: 'password', answer: (_, type) => type('\u0003') },
      ])
      expect(screen).toMatch(/status 130\s+same/)
      expect(await loaded()).not.toContain('wlcg')
    },
  )
})

describe('lock of the agent', () => {
  async function lock(agent: SandboxAgent, request: 'lock' | 'unlock', password: string) {
    return callAgent({ kind: 'unix', path: agent.socketPath }, { request, password })
  }

  test('a locked agent refuses requests until it is unlocked with the same password', async () => {
    const { agent } = await startLoaded(sandbox, provider)
    await lock(agent, 'lock', 'sesame')
    for (const [command, ...args] of [
      ['oidc-token', 'wlcg'],
      ['oidc-add', '-a'],
      ['oidc-add', '-r', 'wlcg'],
    ] as const) {
      const { status, stdout, stderr } = await sandbox.run(command, args)
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toBe('Error: Agent locked\nUnlock it with\n\t$ oidc-add -X\n')
    }
    await expect(lock(agent, 'unlock', 'simsim')).rejects.toMatchObject({ code: 'wrong-password' })
    await lock(agent, 'unlock', 'sesame')
    await expect(lock(agent, 'unlock', 'sesame')).rejects.toMatchObject({
      code: 'agent-not-locked',
    })
    expect(await tokenFrom(agent)).toMatchObject({ status: 'success' })
  })

  test.skipIf(noTerminalReason !== undefined)(
    `oidc-add asks twice for the lock password to lock, and once to unlock${onlyWithTerminal}`,
    async () => {
      await startLoaded(sandbox, provider)
      const enter = (answer: string) => ({ question: 'Enter lock password', answer })
      const confirm = (answer: string) => ({ question: 'Confirm lock password', answer })
      const typo = await runInTerminal(sandbox, 'oidc-add -x', [enter('sesame'), confirm('semase')])
      expect(typo).toMatchObject({ status: 1 })
      const locked = await runInTerminal(sandbox, 'oidc-add -x', [
        enter('sesame'),
        confirm('sesame'),
      ])
      expect(locked.screen).toContain('Agent locked')
      const wrong = await runInTerminal(sandbox, 'oidc-add -X', [enter('simsim')])
      expect(wrong).toMatchObject({ status: 1 })
      const unlocked = await runInTerminal(sandbox, 'oidc-add -X', [enter('sesame')])
      expect(unlocked.screen).toContain('Agent unlocked')
      expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(/^ey\S+\n$/)
    },
  )
})

describe('lifetime of an account', () => {
  test('an account is unloaded after the lifetime given to oidc-add or to the agent', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    await seedAccount(sandbox, provider, 'other')
    await seedAccount(sandbox, provider, 'staying')
    const agent = await sandbox.startAgent(['-t', '2'])
    await addAccount(sandbox, 'wlcg')
    await addAccount(sandbox, 'other', ['-t', '1'])
    await addAccount(sandbox, 'staying', ['-t', '0'])
    await tokenFrom(agent, { account: 'staying' })
    await expect.poll(loaded, { timeout: 10_000 }).toBe('staying\n')
    await expect(tokenFrom(agent)).rejects.toMatchObject({ code: 'account-not-loaded' })
  })
})
