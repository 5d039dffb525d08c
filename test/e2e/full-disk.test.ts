import { spawnSync } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { outputOf } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const reason = noMountReason()

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  provider = await startWlcgProvider({ rotate: true })
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

test.skipIf(reason !== undefined)(
  `a refresh whose new refresh token could not be saved on a full disk is not sent while a token lives, which is reported with that token${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    const disk = join(sandbox.directory, 'disk')
    await mkdir(disk)
    await copyFile(join(sandbox.configDirectory, 'wlcg'), join(sandbox.directory, 'wlcg'))
    // Only these processes see the mount, which ends with them.
    const script = `
      mount -t tmpfs -o size=32k tmpfs "$OIDC_CONFIG_DIR"
      cp ../wlcg "$OIDC_CONFIG_DIR"
      eval "$(oidc-agent)" >/dev/null
      oidc-add --pw-env wlcg
      cp "$OIDC_CONFIG_DIR/wlcg" ../before
      dd if=/dev/zero of="$OIDC_CONFIG_DIR/full.log" bs=1k 2>/dev/null
      oidc-token -f wlcg >/dev/null 2>../warning; echo "full: $?"
      cmp "$OIDC_CONFIG_DIR/wlcg" ../before && echo "file as before"
      rm "$OIDC_CONFIG_DIR/full.log"
      oidc-token -f wlcg >/dev/null; echo "space again: $?"
      cmp -s "$OIDC_CONFIG_DIR/wlcg" ../before || echo "file rewritten"
      kill -9 "$OIDCD_PID"
      eval "$(oidc-agent)" >/dev/null
      oidc-add --pw-env wlcg
      oidc-agent -k >/dev/null
      cat ../warning`
    const env = { OIDC_CONFIG_DIR: disk, OIDC_ENCRYPTION_PW: PASSWORD }
    const finished = await sandbox.run('unshare', ['-m', 'sh', '-c', script], { env })
    expect(outputOf(finished)).toMatch(
      /^success\nfull: 0\nfile as before\nspace again: 0\nfile rewritten\nsuccess\n.*a new refresh token of wlcg could not be saved: .*no space left on device/s,
    )
    expect(finished.stderr).toBe('')
  },
)

function noMountReason(): string | undefined {
  if (process.getuid?.() !== 0)
    return 'only root can mount; account-files.test.ts limits file sizes instead'
  const probe = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'])
  return probe.status === 0 ? undefined : 'this system does not let root mount'
}
