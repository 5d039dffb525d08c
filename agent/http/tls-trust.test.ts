import { execFileSync } from 'node:child_process'
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAuthority } from '../../test/support/certificates.ts'
import { failureOf, noAbort, providerConfig } from '../../test/support/oidc-client.ts'
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

describe('finding CA bundles', () => {
  test("with a bundle of the account's own, no other certificate is trusted", async () => {
    await writeFile(bundle, createAuthority().pem)
    expect(await findCaFiles(bundle, [bundle], [bundle])).toMatchObject({
      paths: [bundle],
      besidesNode: false,
    })
  })

  test("without a bundle of the account's own, the first of the system and the extra bundles are trusted", async () => {
    await writeFile(bundle, createAuthority().pem)
    const other = join(directory, 'other.pem')
    await writeFile(other, createAuthority().pem)
    expect(await findCaFiles(undefined, ['/nonexistent', bundle, other], [other])).toMatchObject({
      paths: [bundle, other],
      besidesNode: true,
    })
    expect(await findCaFiles('', ['/nonexistent'], ['/nonexistent'])).toMatchObject({ paths: [] })
  })

  test("a system bundle of another machine is replaced by this machine's", async () => {
    await writeFile(bundle, createAuthority().pem)
    const elsewhere = SYSTEM_CA_FILES.at(-1)
    expect((await findCaFiles(elsewhere, [bundle], [])).paths).toEqual([bundle])
  })

  test('a missing bundle is reported with its path', async () => {
    expect(await failureOf(findCaFiles(bundle, [], []))).toMatchObject({
      code: 'tls',
      message: `error with ssl cert: CA bundle ${bundle} cannot be used: it does not exist`,
    })
  })

  test.each([
    ['no certificate', 'hello'],
    ['a broken certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('a bundle with %s is refused', async (_what, content) => {
    await writeFile(bundle, content)
    const files = await findCaFiles(bundle, [], [])
    expect((await failureOf(readSecureContext(files))).message).toBe(
      `error with ssl cert: CA bundle ${bundle} cannot be used: it holds no PEM certificate`,
    )
  })

  test('a directory without certificates is refused', async () => {
    await writeFile(join(directory, 'key.pem'), 'no certificate')
    await writeFile(join(directory, 'readme.txt'), createAuthority().pem)
    const files = await findCaFiles(directory, [], [])
    expect((await failureOf(readSecureContext(files))).message).toBe(
      `error with ssl cert: CA bundle ${directory} cannot be used: it holds no PEM certificate`,
    )
  })

  test('the certificates of a directory are found by the names of their files', async () => {
    for (const name of ['a1b2c3d4.0', 'own.pem', 'other.crl', 'own.signing_policy']) {
      await writeFile(join(directory, name), createAuthority().pem)
    }
    const { paths, besidesNode } = await findCaFiles(directory, [bundle], [bundle])
    expect(paths).toEqual([join(directory, 'a1b2c3d4.0'), join(directory, 'own.pem')])
    expect(besidesNode).toBe(false)
  })

  test.each([
    ['/dev/zero', 'it is not a regular file'],
    ['/proc/self/mem', 'EIO'],
  ])('%s in place of a bundle is refused at once', async (path, reason) => {
    const files = await findCaFiles(path, [], [])
    expect((await failureOf(readSecureContext(files))).message).toContain(reason)
  })

  test('a FIFO in place of a bundle is refused at once', async () => {
    execFileSync('mkfifo', [bundle])
    const files = await findCaFiles(bundle, [], [])
    expect((await failureOf(readSecureContext(files))).message).toContain(
      'it is not a regular file',
    )
  })

  test('a bundle that everybody can write, or in such a directory, is refused until that is mended', async () => {
    await writeFile(bundle, createAuthority().pem)
    const { stamp } = await findCaFiles(bundle, [], [])
    const refused = async (path: string, mode: number): Promise<void> => {
      await chmod(path, mode)
      const files = await findCaFiles(bundle, [], [])
      const { message } = await failureOf(readSecureContext(files))
      expect(message).toContain('others can write to it')
      expect(message).toContain(`chmod go-w ${path}`)
    }
    await refused(bundle, 0o646)
    // A pool that is open already is opened again.
    expect((await findCaFiles(bundle, [], [])).stamp).not.toBe(stamp)
    await chmod(bundle, 0o664)
    await readSecureContext(await findCaFiles(bundle, [], []))
    await refused(directory, 0o777)
    await chmod(directory, 0o1777)
    await readSecureContext(await findCaFiles(bundle, [], []))
  })

  test('in a directory of certificates one that everybody can write is left out', async () => {
    await writeFile(bundle, createAuthority().pem)
    await writeFile(join(directory, 'open.pem'), createAuthority().pem)
    await chmod(bundle, 0o666)
    await readSecureContext(await findCaFiles(directory, [], []))
    await chmod(join(directory, 'open.pem'), 0o666)
    const files = await findCaFiles(directory, [], [])
    expect((await failureOf(readSecureContext(files))).message).toContain('no PEM certificate')
  })

  test('a bundle of more than 8 MiB is refused', async () => {
    await writeFile(bundle, `${createAuthority().pem}${'#'.repeat(8 << 20)}`)
    const files = await findCaFiles(bundle, [], [])
    expect((await failureOf(readSecureContext(files))).message).toContain('more than 8388608 bytes')
  })
})

describe('reading CA bundles again', () => {
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

  test('a changed bundle is read again', async () => {
    await writeFile(bundle, createAuthority('the wrong one').pem)
    const discover = (): Promise<unknown> =>
      oidc.discover(providerConfig(server.origin, bundle), noAbort())
    expect((await failureOf(discover())).code).toBe('tls')
    await writeFile(bundle, `${await readFile(server.caPath, 'utf8')}\n# grown\n`)
    await expect(discover()).resolves.toMatchObject({ issuer: server.origin })
  })

  test('a provider is trusted by the certificate of its authority in a directory', async () => {
    await writeFile(join(directory, 'wrong.pem'), createAuthority('the wrong one').pem)
    const discover = (): Promise<unknown> =>
      oidc.discover(providerConfig(server.origin, directory), noAbort())
    expect((await failureOf(discover())).code).toBe('tls')
    await copyFile(server.caPath, join(directory, 'a1b2c3d4.0'))
    await expect(discover()).resolves.toMatchObject({ issuer: server.origin })
  })

  test('a bundle that could not be read is read again at the next request', async () => {
    const discover = (): Promise<unknown> =>
      oidc.discover(providerConfig(server.origin, bundle), noAbort())
    expect((await failureOf(discover())).code).toBe('tls')
    await copyFile(server.caPath, bundle)
    await expect(discover()).resolves.toMatchObject({ issuer: server.origin })
  })
})
