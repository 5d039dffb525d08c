import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, runCommand, shown } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, seedAccount, startLoaded } from '../support/seed-account.ts'
import { startRelay } from '../support/tcp-relay.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const ROOT = join(import.meta.dirname, '..', '..')

let shop: string
let tarball: string
let provider: WlcgProvider
let sandbox: Sandbox
/** The directory of the installed package. */
let installed: string

beforeAll(async () => {
  shop = await mkdtemp(join(tmpdir(), 'oidc-package-'))
  const env = { PATH: process.env['PATH'] ?? '', HOME: shop, npm_config_update_notifier: 'false' }
  const pack = ['pack', '--json', '--pack-destination', shop]
  const said = outputOf(await runCommand('npm', pack, { env, cwd: ROOT }))
  const [packed] = JSON.parse(said) as readonly { readonly filename: string }[]
  tarball = join(shop, packed?.filename ?? '')
})

afterAll(() => rm(shop, { recursive: true }))

/** A project with this package among its dependencies. */
beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  const modules = join(sandbox.directory, 'project', 'node_modules')
  installed = join(modules, 'oidc-agent-ts')
  await mkdir(join(modules, '@types'), { recursive: true })
  await mkdir(installed)
  outputOf(await sandbox.run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']))
  for (const name of ['@types/node', 'undici-types']) {
    await symlink(join(ROOT, 'node_modules', name), join(modules, name))
  }
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

describe('package oidc-agent-ts', () => {
  const use = `
    const { token, expiresAt, issuer } = await getAccessToken({
      account: 'wlcg', audience: ['se.example'], signal: AbortSignal.timeout(20_000),
    })
    const error = await getAccessToken({ account: 'other' }).catch((reason) => reason)
    console.log(JSON.stringify({ token, expiresAt, issuer, code: error.code,
      typed: error instanceof AgentError }))`

  test.each([
    ['import.mjs', `import { AgentError, getAccessToken } from 'oidc-agent-ts'\n${use}`],
    [
      'require.cjs',
      `const { AgentError, getAccessToken } = require('oidc-agent-ts')\nvoid (async () => {${use}})()`,
    ],
  ])('the installed package gives a token to %s', async (name, source) => {
    await startLoaded(sandbox, provider)
    const path = await sandbox.file(`project/${name}`, source)
    const said = JSON.parse(outputOf(await sandbox.run(process.execPath, [path]))) as {
      token: string
      expiresAt: number
    }
    const { exp, iss } = payloadOf(said.token)
    expect(said).toMatchObject({
      expiresAt: exp,
      issuer: iss,
      code: 'unknown-account',
      typed: true,
    })
    expect(payloadOf(said.token).aud).toBe('se.example')
  })

  test.each([
    ['import', `void import('oidc-agent-ts')`],
    ['require', `void Promise.resolve(require('oidc-agent-ts'))`],
  ])(
    'the installed package, loaded by %s, asks a remote agent over TCP, sealed',
    async (_, load) => {
      const { agent } = await startLoaded(sandbox, provider)
      const relay = await startRelay({ path: agent.socketPath })
      const source = `${load}.then(({ getAccessToken }) => getAccessToken({ account: 'wlcg' })).then(
      ({ token }) => console.log(token))`
      const path = await sandbox.file('project/remote.cjs', source)
      const env = { OIDC_SOCK: '/nonexistent/agent.sock', OIDC_REMOTE_SOCK: relay.address }
      const token = outputOf(await sandbox.run(process.execPath, [path], { env })).trim()
      expect(payloadOf(token).iss).toBe(provider.issuer)
      expect(relay.passed()).not.toBe('')
      expect(relay.passed()).not.toContain(token)
      await relay.close()
    },
  )

  test('no command sends a secret over TCP in the clear', async () => {
    const account = await seedAccount(sandbox, provider, 'wlcg')
    const agent = await sandbox.startAgent()
    const relay = await startRelay({ path: agent.socketPath })
    const env = { OIDC_SOCK: '/nonexistent/agent.sock', OIDC_REMOTE_SOCK: relay.address }
    const add = ['--remote', `--pw-file=${await sandbox.file('pw', PASSWORD)}`, 'wlcg']
    outputOf(await sandbox.run('oidc-add', add, { env }))
    const token = outputOf(await sandbox.run('oidc-token', ['wlcg'], { env })).trim()
    expect(payloadOf(token).iss).toBe(provider.issuer)
    for (const secret of [account['refresh_token'], token, 'refresh_token', 'file_key']) {
      expect(relay.passed()).not.toContain(secret)
    }
    await relay.close()
  })

  test.each([
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])(
    'a strict project with module %s and moduleResolution %s compiles against the types of the package',
    async (module, moduleResolution) => {
      const program = `
      import { type AccessToken, AgentError, type ErrorCode, getAccessToken } from 'oidc-agent-ts'
      const wanted: AccessToken = await getAccessToken({ account: 'wlcg', scope: ['a'] })
      const until: number | undefined = wanted.expiresAt
      // @ts-expect-error There is no such option.
      await getAccessToken({ accounts: 'wlcg' })
      try { void until } catch (error) {
        if (error instanceof AgentError) { const code: ErrorCode = error.code; void code; void error.hint }
      }
      // @ts-expect-error There is no such code.
      const wrong: ErrorCode = 'no-such-code'
      void wrong
      export {}`
      await sandbox.file('project/program.mts', program)
      const compilerOptions = {
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        target: 'es2022',
        lib: ['es2022'],
        module,
        moduleResolution,
        types: ['node'],
        skipLibCheck: false,
      }
      const config = await sandbox.file(
        'project/tsconfig.json',
        JSON.stringify({ compilerOptions, files: ['program.mts'] }),
      )
      const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
      const finished = await sandbox.run(process.execPath, [tsc, '-p', config])
      expect(finished, shown(finished)).toMatchObject({ status: 0, stdout: '' })
    },
  )
})

test('the packed package contains the commands, and every page that its pages link to', async () => {
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
    readonly version: string
    readonly bin: Readonly<Record<string, string>>
  }
  for (const [name, file] of Object.entries(manifest.bin)) {
    const said = outputOf(await sandbox.run(join(installed, file), ['-V']))
    expect(said).toBe(`${name} ${manifest.version}\n`)
  }
  const names = await readdir(installed, { recursive: true })
  const pages = names.filter((name) => name.endsWith('.md'))
  expect(pages).toContain('docs/ci.md')
  for (const page of pages) {
    const text = await readFile(join(installed, page), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      expect((await stat(join(installed, dirname(page), link))).isFile(), link).toBe(true)
    }
  }
})
