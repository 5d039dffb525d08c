import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { logIn, redirectAfterLogin } from '../support/approve.ts'
import { outputOf } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import {
  addressIn,
  type StartedBrowserLogin,
  startBrowserLogin,
} from '../support/oidc-gen-output.ts'
import { until } from '../support/process-table.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, SCOPE } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox
let port: number

const env = { OIDC_ENCRYPTION_PW: PASSWORD }
const bySelf = ['--pw-env', '--prompt=none', `--scope=${SCOPE}`, '--no-url-call']

beforeEach(async () => {
  port = await freePort()
  const client = {
    scope: SCOPE,
    grant_types: ['authorization_code', 'refresh_token'],
    application_type: 'native' as const,
    redirect_uris: [`http://localhost:${port}`, 'edu.kit.data.oidc-agent:/redirect'],
  }
  provider = await startWlcgProvider({
    clients: [
      { ...client, response_types: ['code'], client_id: 'given', client_secret: 'of the person' },
      {
        ...client,
        response_types: ['code'],
        client_id: 'everybody',
        token_endpoint_auth_method: 'none',
      },
    ],
  })
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

function at(): string[] {
  return [`--iss=${provider.issuer}`, `--cp=${provider.caPath}`]
}

function given(client = 'given', secret = 'of the person'): string[] {
  return [
    ...['-m', `--client-id=${client}`, `--client-secret=${secret}`, `--port=${port}`],
    ...[...at(), ...bySelf, '-w', 'code'],
  ]
}

function start(...options: readonly string[]): Promise<StartedBrowserLogin> {
  return startBrowserLogin(sandbox, [...options, 'wlcg'], env)
}

async function files(): Promise<string[]> {
  return (await readdir(sandbox.configDirectory)).filter((name) => !name.endsWith('.config'))
}

async function statusOf(address: string): Promise<number> {
  return fetch(address).then(
    ({ status }) => status,
    () => 0,
  )
}

describe('login by browser', () => {
  test('a login by browser with a registered client loads and saves the account, and no secret is in outputs or logs', async () => {
    const agent = sandbox.start('oidc-agent', ['-d', '-g', '--log-stderr'])
    let said = ''
    let log = ''
    agent.child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    agent.child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
    await until('an agent', () => said.includes('Agent pid'), 20_000)
    sandbox.adopt(said)

    const login = await start('-w', 'code', ...at(), ...bySelf, '-g')
    const redirect = await redirectAfterLogin({ address: login.address, caPem: provider.caPem })
    expect(redirect.href.startsWith(login.redirectUri)).toBe(true)
    const page = await (await fetch(redirect)).text()
    expect(page).toContain('You are logged in')
    expect(page).toContain('wlcg')
    const ended = await login.finished
    expect(outputOf(ended)).toMatch(/accepted\n(?:.*\n)*Everything setup correctly!\n$/)

    expect(await files()).toEqual(['wlcg'])
    expect(outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))).toMatch(/^ey\S+\n$/)
    expect(await statusOf(redirect.href)).toBe(0)

    const code = redirect.searchParams.get('code') ?? 'none'
    const file = outputOf(await sandbox.run('oidc-gen', ['-p', 'wlcg', '--pw-env'], { env }))
    const { refresh_token, client_secret } = JSON.parse(file) as Record<string, string>
    const verifier = provider.counters.requests.flatMap(({ form }) => form['code_verifier'] ?? [])
    expect(verifier).toHaveLength(1)
    const shown = [log, page, ended.stdout, ended.stderr, login.address].join('\n')
    for (const secret of [code, refresh_token, client_secret, verifier[0]]) {
      expect(secret?.length).toBeGreaterThan(10)
      expect(shown).not.toContain(secret)
    }
    // The state is secret too: it is only in the address.
    expect(log).not.toContain(login.state)
    agent.child.kill('SIGTERM')
    await agent.finished
  })

  test('a login by browser registers the grants and redirect URIs of the code flow', async () => {
    await sandbox.startAgent()
    const { child, finished } = await start('-w', 'code', ...at(), ...bySelf)
    const registration = provider.counters.requests.find(({ path }) => path === '/reg')
    const asked = JSON.parse(registration?.body ?? '{}') as Record<string, unknown>
    expect(asked['grant_types']).toEqual(['authorization_code', 'refresh_token'])
    expect(asked['redirect_uris']).toContain('http://localhost:4242')
    child.kill('SIGINT')
    await finished
  })

  test.each([
    ['given', 'of the person'],
    ['everybody', ''],
  ])('a login by browser succeeds with the client "%s", secret "%s"', async (client, secret) => {
    await sandbox.startAgent()
    const { address, finished } = await start(...given(client, secret))
    const { html } = await logIn({ address, caPem: provider.caPem })
    expect(html).toContain('You are logged in')
    expect(outputOf(await finished)).toContain('Everything setup correctly!')
    expect(outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))).toMatch(/^ey\S+\n$/)
  })

  test('a denied login by browser is reported by page and oidc-gen, and nothing is saved', async () => {
    await sandbox.startAgent()
    const { address, redirectUri, finished } = await start(...given())
    const { html } = await logIn({ address, caPem: provider.caPem, denies: true })
    expect(html).toContain('Access was not granted')
    expect(html).toContain('the person said no')
    const { status, stderr } = await finished
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Error: access_denied: the person said no\n.*run oidc-gen again\.$/m)
    expect(await files()).toEqual([])
    expect(outputOf(await sandbox.run('oidc-add', ['-a'])).trim()).toBe('')
    expect(await statusOf(redirectUri)).toBe(0)
  })

  test('Ctrl-C during a login by browser closes the port and deletes the client', async () => {
    await sandbox.startAgent()
    const { child, finished, redirectUri } = await start('-w', 'code', ...at(), ...bySelf)
    expect(await statusOf(redirectUri)).toBe(400)
    child.kill('SIGINT')
    expect((await finished).signal).toBe('SIGINT')
    expect(await statusOf(redirectUri)).toBe(0)
    const deleted = provider.counters.requests.filter(({ method }) => method === 'DELETE')
    expect(deleted).toHaveLength(1)
    expect(await files()).toEqual([])
  })

  test('the web server of a login ends with the agent', async () => {
    const agent = await sandbox.startAgent()
    const { redirectUri, finished } = await start(...given())
    expect(await statusOf(redirectUri)).toBe(400)
    await sandbox.endAgent(agent)
    expect(await statusOf(redirectUri)).toBe(0)
    expect((await finished).status).toBe(1)
  })

  test('oidc-gen --only-at prints a token by browser and saves nothing', async () => {
    await sandbox.startAgent()
    const { address, finished } = await start('--only-at', ...given())
    await logIn({ address, caPem: provider.caPem })
    expect(outputOf(await finished)).toMatch(/^ey[\w.-]+\n$/m)
    expect(await files()).toEqual([])
  })
})

describe('redirect that does not reach the agent', () => {
  test.each([
    ['--no-webserver', /manual redirect/],
    ['--no-webserver --redirect-uri=edu.kit.data.oidc-agent:/redirect', /custom scheme/],
  ])('with %s another oidc-gen completes the login', async (options, hint) => {
    await sandbox.startAgent()
    const { address, finished } = await start(...given(), ...options.split(' '))
    const first = await finished
    expect(first.status).toBe(0)
    expect(first.stderr).toMatch(hint)
    expect(await files()).toEqual([])
    const redirect = await redirectAfterLogin({ address, caPem: provider.caPem })
    const exchange = [`--codeExchange=${redirect.href}`, '--pw-env']
    // In a session without OIDC_SOCK: the state names the agent's socket.
    const second = await sandbox.run('oidc-gen', exchange, { env: { ...env, OIDC_SOCK: '' } })
    expect(outputOf(second)).toContain('Everything setup correctly!')
    expect(await files()).toEqual(['wlcg'])
    expect(outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))).toMatch(/^ey\S+\n$/)
    const again = await sandbox.run('oidc-gen', exchange, { env })
    expect([again.status, again.stderr]).toEqual([
      1,
      expect.stringMatching(
        /^Error: wrong state\nThis agent has no pending login for this address: .*oidc-gen again/m,
      ),
    ])
  })

  test('oidc-gen --state fetches the account of a login whose oidc-gen was killed', async () => {
    await sandbox.startAgent()
    const { address, state, child, finished } = await start(...given())
    child.kill('SIGKILL')
    await finished
    const early = await sandbox.run('oidc-gen', [`--state=${state}`, '--pw-env'], { env })
    expect(early.stderr).toContain('Could not receive generated account configuration for state')
    await logIn({ address, caPem: provider.caPem })
    const late = await sandbox.run('oidc-gen', [`--state=${state}`, '--pw-env'], { env })
    expect(outputOf(late)).toContain('Everything setup correctly!')
    expect(await files()).toEqual(['wlcg'])
  })

  test.each([
    ['http://localhost:4242/?code=x', 'Uri does not contain a state'],
    ['http://localhost:4242/?state=0:0abc:3:abc', 'Uri does not contain a code'],
  ])('oidc-gen --codeExchange=%s fails with "%s"', async (uri, error) => {
    await sandbox.startAgent()
    const { status, stderr } = await sandbox.run('oidc-gen', [`--codeExchange=${uri}`])
    expect(status).toBe(1)
    expect(stderr).toContain(`Error: ${error}\n`)
  })

  test.skipIf(noTerminalReason !== undefined)(
    `the redirect address can be pasted in the terminal${noTerminalReason === undefined ? '' : ` (skipped: ${noTerminalReason})`}`,
    async () => {
      await sandbox.startAgent()
      const options = given().filter(
        (option) => option !== '--prompt=none' && option !== '--pw-env',
      )
      const line = ['oidc-gen', ...options, 'wlcg'].map((word) => `'${word}'`).join(' ')
      const { screen, status } = await runInTerminal(sandbox, line, [
        { question: 'Or paste the address', answer: 'http://localhost/?code=x' },
        {
          question: 'Or paste the address',
          answer: async (shown, type) => {
            const address = addressIn(shown()) ?? ''
            const redirect = await redirectAfterLogin({ address, caPem: provider.caPem })
            type(`${redirect.href}\r`)
          },
        },
        { question: 'Enter encryption password', answer: PASSWORD },
        { question: 'Confirm encryption password', answer: PASSWORD },
      ])
      expect(screen).toContain('Error: Uri does not contain a state')
      expect(screen).toContain('Everything setup correctly!')
      expect(status).toBe(0)
      expect(await files()).toEqual(['wlcg'])
    },
  )
})

describe('desktop with a browser', () => {
  async function fakeBrowser(): Promise<{ env: Record<string, string>; opened: string }> {
    const directory = join(sandbox.directory, 'fake')
    await mkdir(directory)
    const opened = join(directory, 'opened')
    const script = join(directory, 'xdg-open')
    await writeFile(
      script,
      `#!/bin/sh\nprintf '%s\\n' "$#" "$@" > '${opened}.new' && mv '${opened}.new' '${opened}'\n`,
    )
    await chmod(script, 0o755)
    const path = sandbox.env['PATH'] ?? ''
    return { env: { ...env, DISPLAY: ':9', PATH: `${directory}:${path}` }, opened }
  }

  test('oidc-gen on a desktop uses the code flow, and opens the browser with the address as its only argument', async () => {
    await sandbox.startAgent()
    const { env: desktop, opened } = await fakeBrowser()
    const options = given().filter((option) => !['-w', 'code', '--no-url-call'].includes(option))
    const login = await startBrowserLogin(sandbox, [...options, 'wlcg'], desktop)
    await expect.poll(() => readFile(opened, 'utf8').catch(() => '')).toBe(`1\n${login.address}\n`)
    await logIn({ address: login.address, caPem: provider.caPem })
    expect(outputOf(await login.finished)).toContain('Everything setup correctly!')
  })

  test('oidc-gen --no-url-call does not open a browser', async () => {
    await sandbox.startAgent()
    const { env: desktop, opened } = await fakeBrowser()
    const login = await startBrowserLogin(sandbox, [...given(), 'wlcg'], desktop)
    await logIn({ address: login.address, caPem: provider.caPem })
    await login.finished
    await expect(readFile(opened)).rejects.toThrow('ENOENT')
  })
})
