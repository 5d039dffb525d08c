import { chmod, chown, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Finished, outputOf, secondUser } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import { addAccount, PASSWORD, seedAccount, startLoaded } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox
let path: string

beforeEach(async () => {
  provider = await startWlcgProvider()
  // Root may read and write everything, so permissions are tested as another user.
  sandbox = await Sandbox.create(secondUser === undefined ? {} : { user: secondUser })
  path = join(sandbox.configDirectory, 'wlcg')
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

function add(): Promise<Finished> {
  return sandbox.run('oidc-add', ['--pw-env', 'wlcg'], { env: { OIDC_ENCRYPTION_PW: PASSWORD } })
}

async function refused(): Promise<string> {
  const { status, stdout, stderr } = await add()
  expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/^Error: /)
  return stderr
}

describe('unusable account file', () => {
  test('a truncated or empty account file is reported as malformed and left as it is', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    await sandbox.startAgent()
    const whole = await readFile(path, 'utf8')
    const lines = whole.split('\n')
    const cuts = [
      '',
      lines.slice(0, 3).join('\n'),
      lines.slice(0, 6).join('\n'),
      whole.slice(0, 200),
    ]
    for (const cut of cuts) {
      await writeFile(path, cut)
      expect(await refused()).toContain('encryption malformed')
      expect(await readFile(path, 'utf8')).toBe(cut)
    }
    await writeFile(path, whole)
    outputOf(await add())
  })

  test.skipIf(secondUser === undefined && process.getuid?.() === 0)(
    'an unreadable account file is reported with its path and the reason',
    async () => {
      await seedAccount(sandbox, provider, 'wlcg')
      await sandbox.startAgent()
      if (process.getuid?.() === 0) await chown(path, 0, 0)
      else await chmod(path, 0)
      const stderr = await refused()
      expect(stderr).toContain(path)
      expect(stderr).toMatch(/permission|EACCES/i)
    },
  )

  test('a missing account file is reported as an unknown account, with the command to run', async () => {
    await sandbox.startAgent()
    const { status, stderr } = await sandbox.run('oidc-token', ['nobody'])
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^Error: (No account configured with that short name|account not loaded)/,
    )
    expect(stderr).toMatch(/oidc-(add|gen)/)
    const added = await sandbox.run('oidc-add', ['--pw-env', 'nobody'])
    expect(added).toMatchObject({ status: 1, stdout: '' })
  })

  test('oidc-token and oidc-add without an agent report how to start one', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    for (const command of ['oidc-token', 'oidc-add']) {
      const { status, stdout, stderr } = await sandbox.run(command, ['wlcg'])
      expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' })
      expect(stderr).toMatch(/^Error: Could not connect to oidc-agent/)
      expect(stderr).toContain('eval')
    }
    const gone = await sandbox.startAgent()
    await sandbox.endAgent(gone, 'SIGKILL')
    expect((await sandbox.run('oidc-token', ['wlcg'])).stderr).toContain(
      'Could not connect to oidc-agent',
    )
  })
})

describe('new refresh token that could not be saved', () => {
  beforeEach(() => {
    provider.settings.rotate = true
  })

  async function forceNew(): Promise<string> {
    const finished = await sandbox.run('oidc-token', ['-f', 'wlcg'])
    expect(outputOf(finished)).toMatch(/^ey\S+\n$/)
    return finished.stderr
  }

  /** Checks the refresh token in the file, with a new agent. */
  async function loadsAgain(): Promise<void> {
    outputOf(await sandbox.run('oidc-agent', ['-k']))
    await sandbox.startAgent()
    await addAccount(sandbox, 'wlcg')
  }

  test.skipIf(secondUser === undefined && process.getuid?.() === 0)(
    'a refresh whose new refresh token could not be saved for lack of permission is not sent while a token lives',
    async () => {
      await startLoaded(sandbox, provider)
      const before = await readFile(path, 'utf8')
      await chmod(sandbox.configDirectory, 0o500)
      expect(await forceNew()).toMatch(/new refresh token of wlcg could not be saved.*permission/i)
      expect(await readFile(path, 'utf8')).toBe(before)
      await chmod(sandbox.configDirectory, 0o700)
      expect(await forceNew()).toBe('')
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      await loadsAgain()
    },
  )

  test('a refresh token that cannot be saved for lack of space is reported with the access token and saved by the next request', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    // No file may grow beyond 0 bytes: every write fails as on a full disk, here with EFBIG.
    sandbox.adopt(outputOf(await sandbox.sh('ulimit -S -f 0; oidc-agent | cat')))
    await addAccount(sandbox, 'wlcg')
    const before = await readFile(path, 'utf8')
    expect(await forceNew()).toMatch(/refresh token of wlcg is only in the agent's memory/)
    expect(await readFile(path, 'utf8')).toBe(before)
    outputOf(
      await sandbox.run('prlimit', [
        '--fsize=unlimited',
        `--pid=${sandbox.env['OIDCD_PID'] ?? ''}`,
      ]),
    )
    expect(await forceNew()).toBe('')
    await loadsAgain()
  })
})
