import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { approveDevice, denyDevice } from '../support/approve.ts'
import { outputOf, type Started, shown as transcript } from '../support/command.ts'
import { deviceCodeIn, type ShownDeviceCode } from '../support/oidc-gen-output.ts'
import { until } from '../support/process-table.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, SCOPE } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  provider = await startWlcgProvider({
    pollSeconds: 1,
    clients: [
      {
        client_id: 'given',
        client_secret: 'of the person',
        scope: SCOPE,
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
      },
      {
        client_id: 'everybody',
        scope: SCOPE,
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
      },
    ],
  })
  sandbox = await Sandbox.create()
  await sandbox.startAgent()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

interface Login extends Started {
  readonly shown: ShownDeviceCode
}

/** Starts oidc-gen and waits for the code it shows. */
async function startLogin(...options: readonly string[]): Promise<Login> {
  const started = sandbox.start(
    'oidc-gen',
    ['-w', 'device', `--iss=${provider.issuer}`, `--cp=${provider.caPath}`, ...options, 'wlcg'],
    { env: { OIDC_ENCRYPTION_PW: PASSWORD } },
  )
  let said = ''
  started.child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  let ended = false
  started.child.once('close', () => {
    ended = true
  })
  await until('a device code', () => deviceCodeIn(said) !== undefined || ended, 20_000)
  const shown = deviceCodeIn(said)
  if (shown === undefined) throw new Error(transcript(await started.finished))
  return { ...started, shown }
}

const bySelf = ['--pw-env', '--prompt=none', `--scope=${SCOPE}`]

const given = ['-m', '--client-id=given', '--client-secret=of the person']

async function files(): Promise<string[]> {
  return (await readdir(sandbox.configDirectory)).filter((name) => !/^\.|\.config$/.test(name))
}

async function loaded(): Promise<string> {
  return outputOf(await sandbox.run('oidc-add', ['-a'])).trim()
}

describe('login by device code', () => {
  test('a denied login by device code is reported, and nothing is saved', async () => {
    const { finished, shown } = await startLogin(...bySelf)
    await denyDevice({ ...shown, caPem: provider.caPem })
    const { status, stderr } = await finished
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Error: .*access_denied/m)
    expect(await files()).toEqual([])
    expect(await loaded()).toBe('')
  })

  test('a login by device code that is not approved in time is reported, and nothing is saved', async () => {
    provider.settings.deviceCodeSeconds = 2
    const { finished } = await startLogin(...bySelf)
    const { status, stderr } = await finished
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Error: .*expired/m)
    expect(await files()).toEqual([])
  })

  test.each(['SIGINT', 'SIGHUP', 'SIGTERM'] as const)(
    '%s ends oidc-gen while it waits for the approval, and the registered client is deleted',
    async (signal) => {
      const { child, finished } = await startLogin(...bySelf)
      child.kill(signal)
      expect((await finished).signal).toBe(signal)
      const deleted = provider.counters.requests.filter(({ method }) => method === 'DELETE')
      expect(deleted).toHaveLength(1)
      expect(await files()).toEqual([])
      expect(await loaded()).toBe('')
    },
  )

  test('a login by device code succeeds with a given client and with a public one, without a registration', async () => {
    for (const options of [given, ['--pub', '--client-id=everybody']]) {
      const { finished, shown } = await startLogin(...bySelf, ...options)
      await approveDevice({ ...shown, caPem: provider.caPem })
      expect(outputOf(await finished)).toContain('Everything setup correctly!')
      expect(outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))).toMatch(/^ey\S+\n$/)
      expect(await files()).toEqual(['wlcg'])
      outputOf(await sandbox.run('oidc-add', ['-r', 'wlcg']))
      outputOf(await sandbox.run('rm', ['.config/oidc-agent/wlcg']))
    }
    const registrations = provider.counters.requests.filter(({ path }) => path === '/reg')
    expect(registrations).toEqual([])
  })

  test('oidc-gen --only-at prints a token by device code and saves nothing', async () => {
    const { finished, shown } = await startLogin('--only-at', ...given, ...bySelf)
    await approveDevice({ ...shown, caPem: provider.caPem })
    expect(outputOf(await finished)).toMatch(/^ey[\w.-]+\n$/m)
    expect(await files()).toEqual([])
    expect(await loaded()).toBe('')
  })

  test('a login by device code registers the grants of the device flow', async () => {
    const { child, finished } = await startLogin(...bySelf)
    const registration = provider.counters.requests.find(({ path }) => path === '/reg')
    const asked = JSON.parse(registration?.body ?? '{}') as Record<string, unknown>
    expect(asked['redirect_uris'] ?? []).toEqual([])
    expect(asked['grant_types']).toEqual(
      expect.arrayContaining(['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token']),
    )
    expect(asked['grant_types']).not.toContain('authorization_code')
    child.kill('SIGINT')
    await finished
  })
})
