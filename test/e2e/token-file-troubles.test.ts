import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, secondUser, shown } from '../support/command.ts'
import { until } from '../support/process-table.ts'
import { Sandbox } from '../support/sandbox.ts'
import { addAccount, PASSWORD, seedAccount, startLoaded } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const needsRoot = secondUser === undefined ? ' (skipped: needs root)' : ''
const noMounts = noMountReason()

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  provider = await startWlcgProvider()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

test.skipIf(noMounts !== undefined)(
  `a token file on a full disk keeps the old token, and the error is reported${noMounts === undefined ? '' : ` (skipped: ${noMounts})`}`,
  async () => {
    sandbox = await Sandbox.create()
    await seedAccount(sandbox, provider, 'wlcg')
    const disk = join(sandbox.directory, 'disk')
    await mkdir(disk, { mode: 0o700 })
    // Only these processes see the mount, which ends with them.
    const script = `
      mount -t tmpfs -o size=32k,mode=700 tmpfs ../disk
      eval "$(oidc-agent)" >/dev/null
      oidc-add --pw-env wlcg
      oidc-token --file=../disk/token --aud=one wlcg
      cp ../disk/token ../before
      dd if=/dev/zero of=../disk/full bs=1k 2>/dev/null
      oidc-token --file=../disk/token --aud=two wlcg; echo "full: $?"
      cmp ../disk/token ../before && echo "token as before"
      oidc-token --file=../disk/new wlcg; echo "full: $?"
      rm ../disk/full
      ls -A ../disk
      oidc-token --file=../disk/token --aud=two wlcg
      cmp -s ../disk/token ../before || echo "new token"
      oidc-agent -k >/dev/null`
    const env = { OIDC_ENCRYPTION_PW: PASSWORD }
    const finished = await sandbox.run('unshare', ['-m', 'sh', '-c', script], { env })
    const token = join(disk, 'token')
    expect(outputOf(finished)).toBe(
      `success\n${token}\nfull: 1\ntoken as before\nfull: 1\ntoken\n${token}\nnew token\n`,
    )
    expect(finished.stderr.match(/cannot write \S+: no space left on device/g)).toHaveLength(2)
  },
)

test.skipIf(secondUser === undefined)(
  `oidc-token --file does not write to another user's file or directory, and names its owner${needsRoot}`,
  async () => {
    const user = secondUser ?? { uid: 0, gid: 0 }
    sandbox = await Sandbox.create({ user })
    const place = join(sandbox.directory, 'sticky')
    await mkdir(place)
    await chmod(place, 0o1777)
    await startLoaded(sandbox, provider)
    const squatted = join(place, `bt_u${user.uid}`)
    await writeFile(squatted, '', { mode: 0o666 })
    const result = await sandbox.run('oidc-token', [`--file=${squatted}`, 'wlcg'])
    expect(result, shown(result)).toMatchObject({ status: 1, stdout: '' })
    expect(result.stderr).toContain('it belongs to another user (uid 0)')
    expect(await readFile(squatted, 'utf8')).toBe('')
    // The directory belongs neither to the user nor to root.
    const theirs = join(sandbox.directory, 'theirs')
    await mkdir(theirs, { mode: 0o755 })
    await chown(theirs, user.uid + 1, user.gid)
    const there = await sandbox.run('oidc-token', [`--file=${theirs}/token`, 'wlcg'])
    expect(there.stderr).toContain(`its directory belongs to another user (uid ${user.uid + 1})`)
    expect(outputOf(await sandbox.run('oidc-token', [`--file=${squatted}-mine`, 'wlcg']))).toBe(
      `${squatted}-mine\n`,
    )
  },
)

test('a managed token file is complete after kills of the agent during its renewal, and the next agent manages it', async () => {
  sandbox = await Sandbox.create()
  provider.settings.accessTokenSeconds = 3
  await startLoaded(sandbox, provider)
  const path = outputOf(await sandbox.run('oidc-token', ['--file', '--aud=x', 'wlcg'])).trim()
  for (let round = 0; round < 4; round += 1) {
    const before = await tokenIn(path)
    await until('a renewal', async () => {
      const now = await tokenIn(path)
      return now !== undefined && now !== before
    })
    // At about the time of the write.
    const pid = Number(sandbox.env['OIDCD_PID'])
    await sandbox.endAgent({ pid, socketPath: '' }, 'SIGKILL')
    expect(payloadOf((await tokenIn(path)) ?? '').iss).toBe(provider.issuer)
    await sandbox.startAgent()
    await addAccount(sandbox, 'wlcg')
  }
  outputOf(await sandbox.run('oidc-token', ['--file-stop']))
  expect(existsSync(path)).toBe(false)
  // No token or temporary file is left.
  expect(outputOf(await sandbox.run('ls', ['-A', join(sandbox.directory, 'run')]))).toBe('')
})

/** The token in a file; undefined without the file. */
async function tokenIn(path: string): Promise<string | undefined> {
  return (await readFile(path, 'utf8').catch(() => undefined))?.trim()
}

function noMountReason(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount'
  const probe = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'])
  return probe.status === 0 ? undefined : 'this system does not let root mount'
}
