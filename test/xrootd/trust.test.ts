import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Finished, shown } from '../support/command.ts'
import { OPERATIONS, type Operation } from './operations.ts'
import { contentOf, newToken, openSite, present, restore, runClient, type Site } from './site.ts'
import type { CommandLine } from './trust.ts'
import { skipped, xrootd55Missing } from './xrootd-missing.ts'

const HELLO = '/public/hello.txt'
const missing = xrootd55Missing()

let site: Site

describe.skipIf(missing !== undefined)(`trust of XRootD in issuers${skipped(missing)}`, () => {
  describe('issuer without a slash at the end', () => {
    beforeAll(async () => {
      site = await openSite()
      await restore(site)
    })
    afterAll(() => site.close())

    test('scitokens-verify accepts a token of the issuer without checking scope and audience', async () => {
      const tokens = [{}, { aud: 'https://other.example.org' }, { scope: undefined }]
      for (const claims of tokens) {
        const said = await verify(newToken(site, claims))
        expect(said.stdout, shown(said)).toContain('Token deserialization successful')
        expect(said.status).toBe(0)
      }
    })

    test.each([
      ['that has expired', { exp: 1 }, {}, 'token expired'],
      ['without an audience', { aud: undefined }, {}, "'aud' claim required for WLCG profile"],
      ['of another profile', { 'wlcg.ver': '1.2' }, {}, 'Unknown WLCG profile version'],
      ['signed by an unknown key', {}, { kid: 'other' }, 'Key ID is not published by the issuer'],
    ])('scitokens-verify refuses a token %s', async (_what, claims, header, reason) => {
      const said = await verify(newToken(site, claims, header))
      expect(said.status, shown(said)).toBe(1)
      expect(said.stdout).toContain(reason)
    })

    test('the issuer is trusted in the mount namespace of the server only, not on the machine', async () => {
      const said = await runClient(site, ['scitokens-verify', newToken(site)], cache('outside'))
      expect(said.status, shown(said)).toBe(1)
      expect(said.stdout).toContain('SSL peer certificate or SSH remote key was not OK')
    })

    test('XRootD accepts a known token up to a minute after its expiry over https, but not at a login', async () => {
      const soon = Math.floor(Date.now() / 1000) + 3
      const token = newToken(site, { exp: soon })
      expect((await use('https get', token)).status).toBe(0)
      // The test is about the expiry, and the server has no other clock.
      await wait(soon * 1000 - Date.now() + 1000)
      expect((await use('https get', token)).stdout).toBe(contentOf(HELLO))
      expect((await use('root read', token)).status).toBe(52)
      expect((await use('https get', newToken(site, { exp: soon }))).status).toBe(22)
    })
  })

  describe('issuer with a slash at the end and a base path', () => {
    beforeAll(async () => {
      site = await openSite({ provider: { trailingSlash: true }, basePath: '/public' })
      await restore(site)
    })
    afterAll(() => site.close())

    test.each(['root read', 'https get'] as const)(
      '"%s" below the base path of the issuer is accepted',
      async (operation) => {
        const said = await use(operation, newToken(site, { scope: 'storage.read:/' }))
        expect(said.stdout, shown(said)).toBe(contentOf(HELLO))
      },
    )

    test.each([
      ['root read', 54],
      ['https get', 22],
    ] as const)(
      'for "%s" the path of a scope is relative to the base path, else the status is %i',
      async (operation, refused) => {
        const below = newToken(site, { scope: 'storage.read:/sub' })
        expect((await use(operation, below, '/public/sub/deep.txt')).status).toBe(0)
        const doubled = newToken(site, { scope: 'storage.read:/public' })
        expect((await use(operation, doubled)).status).toBe(refused)
        const all = newToken(site, { scope: 'storage.read:/' })
        expect((await use(operation, all, '/private/secret.txt')).status).toBe(refused)
      },
    )

    test('XRootD refuses a token whose issuer lacks the slash', async () => {
      const from = site.server.log.length
      const said = await use(
        'root read',
        newToken(site, { iss: site.issuer.issuer.replace(/\/$/, '') }),
      )
      expect(said.status, shown(said)).toBe(52)
      await site.server.log.line(/Token issuer is not in list of allowed issuers/, { from })
    })
  })
})

/** The directory in which the library caches the issuer's keys, for days. */
function cache(name: string): Readonly<Record<string, string>> {
  return { XDG_CACHE_HOME: join(site.directory, name) }
}

function verify(token: string): Promise<Finished> {
  const command: CommandLine = ['scitokens-verify', token]
  return runClient(site, site.server.trusting(command), cache('verify'))
}

async function use(operation: Operation, token: string, path = HELLO): Promise<Finished> {
  const presented = await present(site, token)
  const command = OPERATIONS[operation].command({ site, token: presented, path })
  return runClient(site, command, { BEARER_TOKEN_FILE: presented.file })
}
