import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, shown } from '../support/command.ts'
import { until } from '../support/process-table.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { startLoaded } from '../support/seed-account.ts'
import { startRelay } from '../support/tcp-relay.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

/** A command in a mount namespace of its own: as an ordinary user, in a user namespace too. */
const namespace = process.getuid?.() === 0 ? ['-m'] : ['-Urm']
const noMounts = noMountReason()
const skipped = noMounts === undefined ? '' : ` (skipped: ${noMounts})`

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

/** What the agent has written where token files are. */
function written(): readonly string[] {
  return readdirSync(join(sandbox.directory, 'run'))
}

describe.skipIf(noMounts !== undefined)(`a client with another file system${skipped}`, () => {
  /** Runs a script where the directory of token files is another one than the agent's. */
  function elsewhere(script: string) {
    const mount = 'mount -t tmpfs -o mode=700 tmpfs "$XDG_RUNTIME_DIR"'
    return sandbox.run('unshare', [...namespace, 'sh', '-c', `${mount} && ${script}`])
  }

  test('oidc-token --file is refused with the reason, and nothing is written on either side', async () => {
    const finished = await elsewhere('oidc-token --file wlcg; echo "$?"; ls -A "$XDG_RUNTIME_DIR"')
    expect(finished.stdout, shown(finished)).toBe('1\n')
    expect(finished.stderr).toMatch(/cannot keep \S+bt_u\d+ for this program: a file that it made/)
    expect(finished.stderr).toContain('oidc-tokensh')
    await until('the probe file to go', () => written().length === 0)
  })

  test('oidc-tokensh keeps the file itself, and renews it', async () => {
    provider.settings.accessTokenSeconds = 4
    const script = `
      first=$(cat "$BEARER_TOKEN_FILE"); while test "$(cat "$BEARER_TOKEN_FILE")" = "$first"; do sleep 0.1; done
      stat -c %a "$BEARER_TOKEN_FILE"; cat "$BEARER_TOKEN_FILE"`
    const finished = await elsewhere(
      `oidc-tokensh --oidc=wlcg --aud=x --verbose --minsecs=1 sh -c '${script}'; ls -A "$XDG_RUNTIME_DIR"`,
    )
    const [mode, token = '', rest] = outputOf(finished).split('\n')
    expect([mode, rest]).toEqual(['600', ''])
    expect(payloadOf(token.trim()).iss).toBe(provider.issuer)
    expect(finished.stderr).toContain('oidc-tokensh renews the file itself')
  })
})

test('over TCP to an agent that sees the same files, oidc-token --file and oidc-tokensh work', async () => {
  const relay = await startRelay({ path: agent.socketPath })
  const env = {
    OIDC_SOCK: join(sandbox.directory, 'none'),
    OIDC_REMOTE_SOCK: `127.0.0.1:${relay.port}`,
  }
  try {
    const path = outputOf(await sandbox.run('oidc-token', ['--file', 'wlcg'], { env })).trim()
    expect(existsSync(path)).toBe(true)
    expect(written()).toHaveLength(1)
    const shell = await sandbox.run('oidc-tokensh', ['sh', '-c', 'cat "$BEARER_TOKEN_FILE"'], {
      env,
    })
    expect(payloadOf(outputOf(shell).trim()).iss).toBe(provider.issuer)
  } finally {
    await relay.close()
  }
})

test('over a restricted socket, which writes no files, oidc-tokensh keeps the file itself', async () => {
  const path = join(sandbox.directory, 'jobs', 'agent.sock')
  await mkdir(join(sandbox.directory, 'jobs'), { mode: 0o700 })
  outputOf(
    await sandbox.run('oidc-add', [
      '--share',
      path,
      '--allow',
      'wlcg&scopes=*&audience=https://wlcg.cern.ch/jwt/v1/any',
    ]),
  )
  const env = { OIDC_SOCK: path }
  const finished = await sandbox.run('oidc-tokensh', ['sh', '-c', 'cat "$BEARER_TOKEN_FILE"'], {
    env,
  })
  expect(payloadOf(outputOf(finished).trim()).iss).toBe(provider.issuer)
  expect((await sandbox.run('oidc-token', ['--file', 'wlcg'], { env })).stderr).toContain(
    'operation forbidden',
  )
  expect(written()).toEqual([])
})

function noMountReason(): string | undefined {
  const probe = spawnSync('unshare', [...namespace, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'])
  return probe.status === 0 ? undefined : 'this system allows no mount namespace'
}
