import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { shellQuote } from '../../protocol/wire/text.ts'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, type Started, shown } from '../support/command.ts'
import { addAccount, startLoaded } from '../support/loaded.ts'
import { endProcess, processEnd, until } from '../support/process-table.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { PASSWORD, seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const CE = 'ce.example.org:9619'

let provider: WlcgProvider
let sandbox: Sandbox
let agent: SandboxAgent

beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  agent = (await startLoaded(sandbox, provider)).agent
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

/** What tokensh has left in the sandbox. */
async function leftovers(): Promise<readonly string[]> {
  return readdir(join(sandbox.directory, 'run'))
}

/** Starts `oidc-tokensh` with a command that says its pid and its file, and then stays. */
async function startStaying(): Promise<Started & { command: number; path: string }> {
  const script = 'echo "$$ $BEARER_TOKEN_FILE"; exec sleep 1000'
  const started = sandbox.start('oidc-tokensh', ['--oidc', 'wlcg', '--', 'sh', '-c', script])
  let said = ''
  started.child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await until('the command to start', () => said.includes('\n'))
  const [command = '', path = ''] = said.trim().split(' ')
  expect(existsSync(path)).toBe(true)
  return { ...started, command: Number(command), path }
}

describe('oidc-tokensh', () => {
  test('oidc-tokensh runs a command with a private token file, unchanged words and its exit status', async () => {
    const script = `
      ls -ld "$(dirname "$BEARER_TOKEN_FILE")" "$BEARER_TOKEN_FILE" | cut -c1-10
      test "$BEARER_TOKEN_FILE" = "$_condor_SCITOKENS_FILE" && cat "$BEARER_TOKEN_FILE"
      echo "\${BEARER_TOKEN-unset}"; printf '<%s>' "$@"; cat; exit 7`
    const words = ['sh', '-c', script, 'name', 'two  words', '', "it's", '$HOME', '--oidc', '*']
    const finished = await sandbox.run(
      'oidc-tokensh',
      ['--oidc', 'wlcg', `--aud=${CE}`, '--scope', 'compute.read', '--', ...words],
      { input: 'standard input', env: { BEARER_TOKEN: 'another' } },
    )
    expect(finished, shown(finished)).toMatchObject({ status: 7, signal: null })
    const [directory, file, token = '', bearer, rest] = finished.stdout.split('\n')
    expect([directory, file, bearer]).toEqual(['drwx------', '-rw-------', 'unset'])
    expect(payloadOf(token.trim())).toMatchObject({ aud: CE, scope: 'compute.read' })
    expect(rest).toBe("<two  words><><it's><$HOME><--oidc><*>standard input")
    expect(await leftovers()).toEqual([])
    expect(outputOf(await sandbox.run('oidc-agent', ['--status', '--json']))).not.toContain(
      'token_files',
    )
  })

  test('oidc-tokensh without arguments runs the shell with the only loaded account', async () => {
    const finished = await sandbox.run('oidc-tokensh', [], {
      input: 'cat "$BEARER_TOKEN_FILE"; exit 3\n',
      env: { SHELL: '/bin/sh' },
    })
    expect(finished.status).toBe(3)
    expect(payloadOf(finished.stdout.trim()).iss).toBe(provider.issuer)
  })

  test('oidc-tokensh ends with status 3 if no account or more than one is loaded', async () => {
    await seedAccount(sandbox, provider, 'other')
    await addAccount(sandbox, 'other')
    const two = await sandbox.run('oidc-tokensh', ['--', 'echo', 'ran'])
    expect(two).toMatchObject({ status: 3, stdout: '' })
    expect(two.stderr).toMatch(/2 accounts are loaded\n.*wlcg, other/)
    outputOf(await sandbox.run('oidc-add', ['-R']))
    const none = await sandbox.run('oidc-tokensh', ['echo', 'ran'])
    expect(none).toMatchObject({ status: 3, stdout: '' })
    expect(await leftovers()).toEqual([])
  })

  test.skipIf(noTerminalReason !== undefined)(
    'oidc-tokensh loads the account after a password prompt on the terminal',
    async () => {
      outputOf(await sandbox.run('oidc-add', ['-R']))
      const { screen, status } = await runInTerminal(
        sandbox,
        'oidc-tokensh --oidc=wlcg -- sh -c \'test -s "$BEARER_TOKEN_FILE" && echo it is there\'',
        [{ question: 'Enter decryption password', answer: PASSWORD }],
      )
      expect(screen).toContain('it is there')
      expect(status).toBe(0)
    },
  )

  test('oidc-tokensh without an agent reports how to start one', async () => {
    await sandbox.endAgent(agent)
    const said = await sandbox.run('oidc-tokensh', ['--oidc', 'wlcg', '--', 'echo', 'ran'])
    expect(said).toMatchObject({ status: 1, stdout: '' })
    expect(said.stderr).toContain('oidc-agent oidc-tokensh')
    expect(await leftovers()).toEqual([])
  })

  test('oidc-tokensh --strict does not run the command if the token is not as requested', async () => {
    const args = ['--strict', '--oidc=wlcg', '--minsecs=99999', 'echo', 'ran']
    const refused = await sandbox.run('oidc-tokensh', args)
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toMatch(/not what was asked for: .*less than the 99999 s/)
    expect(await leftovers()).toEqual([])
  })

  test('oidc-tokensh ends with status 127 for an unknown command, and leaves no file', async () => {
    expect((await sandbox.run('oidc-tokensh', ['no-such-command'])).status).toBe(127)
    expect(await leftovers()).toEqual([])
  })
})

test('oidc-tokensh passes the signals of a batch system to the command', async () => {
  const script = `
    trap 'echo ALRM' ALRM; trap 'echo XCPU' XCPU; trap 'echo USR1' USR1
    for signal in ALRM XCPU USR1; do kill -$signal $PPID; sleep 0.5 & wait $!; done; exit 5`
  const finished = await sandbox.run('oidc-tokensh', ['--oidc=wlcg', '--', 'bash', '-c', script])
  expect(finished, shown(finished)).toMatchObject({ status: 5, stdout: 'ALRM\nXCPU\nUSR1\n' })
})

test.skipIf(noTerminalReason !== undefined)(
  'Ctrl-C during oidc-tokensh ends the loop of the shell, too',
  async () => {
    const loop =
      "for n in 1 2; do oidc-tokensh --oidc=wlcg -- sh -c 'echo running; exec sleep 1000'; echo next; done"
    const { screen, status } = await runInTerminal(sandbox, `exec bash -c ${shellQuote(loop)}`, [
      { question: 'running', answer: '\u0003' },
    ])
    expect(screen).not.toContain('next')
    expect(status).toBe(128 + 2)
    expect(await leftovers()).toEqual([])
  },
)

describe('the token file of oidc-tokensh', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'the token file is removed when %s ends oidc-tokensh and its command',
    async (signal) => {
      const { child, command, path, finished } = await startStaying()
      child.kill(signal)
      await processEnd(command)
      expect(await finished).toMatchObject({ status: null, signal })
      expect(existsSync(dirname(path))).toBe(false)
    },
  )

  test('the token file is removed when the command is killed', async () => {
    const { command, path, finished } = await startStaying()
    process.kill(command, 'SIGKILL')
    expect(await finished).toMatchObject({ status: 128 + 9 })
    expect(existsSync(dirname(path))).toBe(false)
  })

  test('the token file is removed when oidc-tokensh is killed, although the command continues', async () => {
    const { child, command, path } = await startStaying()
    child.kill('SIGKILL')
    await until('directory and file to go', () => !existsSync(dirname(path)))
    await endProcess(command, 'SIGKILL')
  })

  test('the token file is removed when the command ends after a killed agent', async () => {
    const { command, path, finished } = await startStaying()
    await sandbox.endAgent(agent, 'SIGKILL')
    process.kill(command, 'SIGTERM')
    expect(await finished).toMatchObject({ signal: 'SIGTERM' })
    expect(existsSync(dirname(path))).toBe(false)
  })
})

test('a command that outlives many tokens always finds a valid one, also after a new agent starts', async () => {
  provider.settings.accessTokenSeconds = 3
  // Says every token it finds, at the moment it finds it.
  const script = `while sleep 0.05; do echo "$(date +%s) $(cat "$BEARER_TOKEN_FILE")"; done`
  const started = sandbox.start('oidc-tokensh', ['--oidc=wlcg', '--aud=x', 'sh', '-c', script])
  let said = ''
  started.child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const seen = (): readonly string[] => [...new Set(said.match(/ey\S+/g))]
  await until('four tokens', () => seen().length >= 4, 30_000)
  for (const [, at, token = ''] of said.matchAll(/^(\d+) (ey\S+)$/gm)) {
    expect(Number(payloadOf(token).exp)).toBeGreaterThanOrEqual(Number(at))
  }
  expect(said).not.toMatch(/^\d+ *$/m)
  const before = seen().length
  await sandbox.endAgent(agent, 'SIGKILL')
  await sandbox.startAgent(['-a', agent.socketPath])
  await addAccount(sandbox, 'wlcg')
  await until('more of them', () => seen().length >= before + 2, 30_000)
  started.child.kill('SIGTERM')
  await started.finished
  expect(await leftovers()).toEqual([])
})
