import { writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sealAccountFile } from '../../protocol/storage/account-file.ts'
import { createAuthority } from '../support/certificates.ts'
import { outputOf } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import { fileKey, PASSWORD, seedAccount, startLoaded } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const TOKEN_PATH = '/token'

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

/** Replaces the responses of the token endpoint. */
function answerTokens(answer: (response: ServerResponse) => void): void {
  provider.settings.onRequest = (request, response) => {
    if (request.url !== TOKEN_PATH) return false
    answer(response)
    return true
  }
}

async function failure(): Promise<string> {
  const { status, stdout, stderr } = await sandbox.run('oidc-token', ['-f', 'wlcg'])
  expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/^Error: /)
  return stderr
}

/** A test with an account that works before and after. */
function trouble(title: string, happens: () => Promise<void>): void {
  test(title, async () => {
    await startLoaded(sandbox, provider)
    await happens()
    expect(outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))).toMatch(/^ey\S+\n$/)
  })
}

describe('provider in trouble', () => {
  trouble('a provider that is down is named, and used again afterwards', async () => {
    await provider.down()
    expect(await failure()).toContain(new URL(provider.issuer).host)
    // The cached token is still returned.
    expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(/^ey\S+\n$/)
    await provider.up()
  })

  trouble(
    'a provider that does not respond in time is named, and used again afterwards',
    async () => {
      answerTokens(() => undefined)
      const startedAt = performance.now()
      expect(await failure()).toContain(new URL(provider.issuer).host)
      expect(performance.now() - startedAt).toBeLessThan(20_000)
      provider.settings.onRequest = undefined
    },
  )

  trouble('a slow response in time is accepted', async () => {
    provider.settings.latencyMs = 3000
    expect(outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))).toMatch(/^ey\S+\n$/)
    provider.settings.latencyMs = 0
  })

  trouble('an HTML response is reported, and the provider used again afterwards', async () => {
    answerTokens((response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>captive portal</html>')
    })
    expect(await failure()).toMatch(/^Error: localhost:\d+ answered 200 with text\/html/)
    provider.settings.onRequest = undefined
  })

  trouble('a 500 is reported, and the provider used again afterwards', async () => {
    answerTokens((response) => response.writeHead(500).end())
    expect(await failure()).toMatch(/^Error: localhost:\d+ answered 500/)
    provider.settings.onRequest = undefined
  })

  trouble('an endless response fails, and the provider is used again afterwards', async () => {
    answerTokens((response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    })
    await failure()
    provider.settings.onRequest = undefined
  })

  trouble('a redirect of the token endpoint is not followed', async () => {
    let followed = 0
    provider.settings.onRequest = (request, response) => {
      if (request.url === '/elsewhere') followed += 1
      if (request.url !== TOKEN_PATH) return false
      response.writeHead(307, { location: '/elsewhere' }).end()
      return true
    }
    await failure()
    expect(followed).toBe(0)
    provider.settings.onRequest = undefined
  })

  trouble('an error response is reported, and the provider used again afterwards', async () => {
    answerTokens((response) => {
      const body = { error: 'invalid_scope', error_description: 'Up-scoping is not allowed.' }
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    expect(await failure()).toMatch(/^Error: invalid_scope: Up-scoping is not allowed\.\n./)
    provider.settings.onRequest = undefined
  })

  trouble('a scope that the provider does not grant is reported', async () => {
    const { status, stderr } = await sandbox.run('oidc-token', ['-s', 'compute.modify', 'wlcg'])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Error: invalid_scope: /)
  })
})

describe('certificates', () => {
  async function refusal(): Promise<string> {
    await sandbox.startAgent()
    const env = { OIDC_ENCRYPTION_PW: PASSWORD }
    const { status, stderr } = await sandbox.run('oidc-add', ['--pw-env', 'wlcg'], { env })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Error: error with ssl cert/)
    expect(stderr).toContain('localhost')
    return stderr
  }

  test('a certificate of an unknown authority is refused and named', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    const other = createAuthority()
    await writeFile(provider.caPath, other.pem)
    expect(await refusal()).toMatch(/unable to|self.signed|issuer/i)
  })

  test('an expired certificate is refused and named', async () => {
    const authority = createAuthority()
    const yesterday = new Date(Date.now() - 86_400_000)
    const expired = await startWlcgProvider({
      certificate: authority.issue({
        notBefore: new Date(yesterday.getTime() - 86_400_000),
        notAfter: yesterday,
      }),
    })
    try {
      const account = {
        name: 'wlcg',
        issuer_url: expired.issuer,
        client_id: 'x',
        client_secret: 'x',
      }
      const ca = await sandbox.file('ca.pem', authority.pem)
      const fields = { ...account, refresh_token: 'x', cert_path: ca }
      const text = await sealAccountFile(fields, await fileKey())
      await sandbox.file('home/.config/oidc-agent/wlcg', text)
      expect(await refusal()).toMatch(/expired/)
    } finally {
      await expired.close()
    }
  })
})
