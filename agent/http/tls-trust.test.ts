import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAuthority } from '../../test/support/certificates.ts'
import { addressOf, failureOf, noAbort } from '../../test/support/oidc-client.ts'
import { type ScriptedServer, startScriptedServer } from '../../test/support/scripted-server.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider } from '../oauth/provider.ts'
import { findCaFiles, readSecureContext, SYSTEM_CA_FILES } from './tls-trust.ts'

let directory: string
let bundle: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ca-bundles-'))
  bundle = join(directory, 'ca.pem')
})

afterEach(() => rm(directory, { recursive: true, force: true }))

describe('which files say whom to trust', () => {
  test("the account's bundle stands alone", async () => {
    await writeFile(bundle, createAuthority().pem)
    expect(await findCaFiles(bundle, [bundle], [bundle])).toMatchObject({
      paths: [bundle],
      besidesNode: false,
    })
  })

  test('otherwise the first of the system that exists, and the extra ones', async () => {
    await writeFile(bundle, createAuthority().pem)
    const other = join(directory, 'other.pem')
    await writeFile(other, createAuthority().pem)
    expect(await findCaFiles(undefined, ['/nonexistent', bundle, other], [other])).toMatchObject({
      paths: [bundle, other],
      besidesNode: true,
    })
    expect(await findCaFiles('', ['/nonexistent'], ['/nonexistent'])).toMatchObject({ paths: [] })
  })

  test("a bundle of another machine's system means this machine's", async () => {
    await writeFile(bundle, createAuthority().pem)
    const elsewhere = SYSTEM_CA_FILES.at(-1)
    expect((await findCaFiles(elsewhere, [bundle], [])).paths).toEqual([bundle])
  })

  test('a bundle that is not there is told by its path', async () => {
    expect(await failureOf(findCaFiles(bundle, [], []))).toMatchObject({
      code: 'tls',
      message: `error with ssl cert: CA bundle ${bundle} cannot be used: it does not exist`,
    })
  })

  test.each([
    ['no certificate', 'hello'],
    ['a broken one', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('a file with %s is refused', async (_what, content) => {
    await writeFile(bundle, content)
    const files = await findCaFiles(bundle, [], [])
    expect((await failureOf(readSecureContext(files))).message).toBe(
      `error with ssl cert: CA bundle ${bundle} cannot be used: it holds no PEM certificate`,
    )
  })

  test('a directory is refused', async () => {
    const files = await findCaFiles(directory, [], [])
    expect((await failureOf(readSecureContext(files))).message).toContain('EISDIR')
  })
})

describe('a bundle in use', () => {
  let server: ScriptedServer
  let oidc: OpenIdProvider

  beforeEach(async () => {
    server = await startScriptedServer()
    oidc = createOpenIdProvider()
  })

  afterEach(async () => {
    await oidc.close()
    await server.close()
  })

  test('is read again when it changes', async () => {
    await writeFile(bundle, createAuthority('the wrong one').pem)
    const asked = (): Promise<unknown> => oidc.discover(addressOf(server.origin, bundle), noAbort())
    expect((await failureOf(asked())).code).toBe('tls')
    await writeFile(bundle, `${await readFile(server.caPath, 'utf8')}\n# grown\n`)
    await expect(asked()).resolves.toMatchObject({ issuer: server.origin })
  })

  test('that cannot be read is looked for again the next time', async () => {
    const asked = (): Promise<unknown> => oidc.discover(addressOf(server.origin, bundle), noAbort())
    expect((await failureOf(asked())).code).toBe('tls')
    await copyFile(server.caPath, bundle)
    await expect(asked()).resolves.toMatchObject({ issuer: server.origin })
  })
})
