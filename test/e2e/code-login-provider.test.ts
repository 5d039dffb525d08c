import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Settings } from '../issuer/provider.ts'
import { type Issuer, startIssuer } from '../issuer/start-issuer.ts'
import { logIn } from '../support/approve.ts'
import { outputOf } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { startBrowserLogin } from '../support/oidc-gen-output.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD } from '../support/seed-account.ts'

let issuer: Issuer
let sandbox: Sandbox
let client: readonly string[]

beforeEach(async () => {
  issuer = await startIssuer({ settings: { person: 'approves' } })
  sandbox = await Sandbox.create()
  await sandbox.startAgent()
  const redirectUri = `http://localhost:${await freePort()}/redirect`
  const { id, secret } = issuer.addClient({ redirectUris: [redirectUri] })
  client = [
    ...['-m', `--client-id=${id}`, `--client-secret=${secret ?? ''}`],
    ...[`--redirect-uri=${redirectUri}`, `--iss=${issuer.issuer}`, `--cp=${issuer.caPath}`],
    ...['-w', 'code', '--scope=openid offline_access', '--pw-env', '--prompt=none', 'acc'],
  ]
})

afterEach(async () => {
  await sandbox.close()
  await issuer.close()
})

/** Logs in at a provider with these settings. Returns the result page and the outputs of oidc-gen. */
async function outcome(
  settings: Partial<Settings>,
): Promise<{ page: string; status: number | null; stdout: string; stderr: string }> {
  issuer.set(settings)
  const { address, finished } = await startBrowserLogin(sandbox, client, {
    OIDC_ENCRYPTION_PW: PASSWORD,
  })
  const { html } = await logIn({ address, caPem: issuer.caPem })
  const { status, stdout, stderr } = await finished
  return { page: html, status, stdout, stderr }
}

async function files(): Promise<readonly string[]> {
  return (await readdir(sandbox.configDirectory)).filter((name) => !name.endsWith('.config'))
}

test('a login by browser succeeds at a provider that requires PKCE and returns iss', async () => {
  const { page, status } = await outcome({ pkceRequired: true, pkceMethods: ['S256'] })
  expect(page).toContain('You are logged in')
  expect(status).toBe(0)
  expect(await files()).toEqual(['acc'])
  expect(outputOf(await sandbox.run('oidc-token', ['acc']))).not.toBe('')
})

test('a login by browser that the person denies is reported by page and oidc-gen, and nothing is saved', async () => {
  const { page, status, stderr } = await outcome({ person: 'denies' })
  expect(page).toContain('Access was not granted')
  expect([status, stderr]).toEqual([1, expect.stringContaining('Error: access_denied:')])
  expect(await files()).toEqual([])
})

test('a code with the iss of another provider is not exchanged (RFC 9207)', async () => {
  const { page, status, stderr } = await outcome({ issInAuthorizationResponse: 'wrong' })
  expect(page).toContain('The login failed')
  expect(status).toBe(1)
  expect(stderr).toContain('https://other.example')
  expect(issuer.requestsTo('token')).toEqual([])
  expect(await files()).toEqual([])
})

test.each(['wrong', 'absent'] as const)(
  'a redirect with state %s is refused, and the login goes on waiting',
  async (how) => {
    issuer.set({ stateInAuthorizationResponse: how })
    const { address, child, finished } = await startBrowserLogin(sandbox, client, {
      OIDC_ENCRYPTION_PW: PASSWORD,
    })
    const { html } = await logIn({ address, caPem: issuer.caPem })
    expect(html).toContain('Unknown login')
    expect(issuer.requestsTo('token')).toEqual([])
    // The login still waits: a redirect with the right state is accepted.
    issuer.set({ stateInAuthorizationResponse: 'same' })
    const right = await logIn({ address, caPem: issuer.caPem })
    expect(right.html).toContain('You are logged in')
    expect((await finished).status).toBe(0)
    expect(child.exitCode).toBe(0)
  },
)

test('a failure of the token endpoint is reported by page and oidc-gen', async () => {
  issuer.fault('token', { kind: 'status', status: 500 })
  const { page, status, stderr } = await outcome({})
  expect(page).toContain('The login failed')
  expect(status).toBe(1)
  expect(stderr).toMatch(/^Error: /m)
})
