import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, shown } from '../support/command.ts'
import { startLoaded } from '../support/loaded.ts'
import { Sandbox } from '../support/sandbox.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const ROOT = join(import.meta.dirname, '..', '..')

let provider: WlcgProvider
let sandbox: Sandbox

/** A project of its own, which has this package among its dependencies. */
beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  const modules = join(sandbox.directory, 'project', 'node_modules')
  await mkdir(join(modules, '@types'), { recursive: true })
  await symlink(ROOT, join(modules, 'oidc-agent-ts'))
  for (const name of ['@types/node', 'undici-types']) {
    await symlink(join(ROOT, 'node_modules', name), join(modules, name))
  }
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

describe("the package by its own name, 'oidc-agent-ts'", () => {
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
  ])('gives a token: %s', async (name, source) => {
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

  test('has types a strict project compiles against', async () => {
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
      module: 'node16',
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
  })
})
