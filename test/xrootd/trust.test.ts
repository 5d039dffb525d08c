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

describe.skipIf(missing !== undefined)(
  `whom XRootD trusts, for how long${skipped(missing)}`,
  () => {
    describe('an issuer named without a slash', () => {
      beforeAll(async () => {
        site = await openSite()
        await restore(site)
      })
      afterAll(() => site.close())

      test('is known to scitokens-verify, which looks at neither scope nor audience', async () => {
        const tokens = [{}, { aud: 'https://other.example.org' }, { scope: undefined }]
        for (const claims of tokens) {
          const said = await verify(newToken(site, claims))
          expect(said.stdout, shown(said)).toContain('Token deserialization successful')
          expect(said.status).toBe(0)
        }
      })

      test.each([
        ['expired', { exp: 1 }, {}, 'token expired'],
        ['for nobody', { aud: undefined }, {}, "'aud' claim required for WLCG profile"],
        ['of another profile', { 'wlcg.ver': '1.2' }, {}, 'Unknown WLCG profile version'],
        [
          'of a key it does not have',
          {},
          { kid: 'other' },
          'Key ID is not published by the issuer',
        ],
      ])('scitokens-verify refuses a token %s', async (_what, claims, header, reason) => {
        const said = await verify(newToken(site, claims, header))
        expect(said.status, shown(said)).toBe(1)
        expect(said.stdout).toContain(reason)
      })

      test('is trusted in the namespace of the server alone, not by the machine', async () => {
        const said = await runClient(site, ['scitokens-verify', newToken(site)], cache('outside'))
        expect(said.status, shown(said)).toBe(1)
        expect(said.stdout).toContain('SSL peer certificate or SSH remote key was not OK')
      })

      test('takes a token it has seen for up to a minute longer over https, not at a login', async () => {
        const soon = Math.floor(Date.now() / 1000) + 3
        const token = newToken(site, { exp: soon })
        expect((await use('https get', token)).status).toBe(0)
        // Its expiry is what this is about, and the server has no other clock.
        await wait(soon * 1000 - Date.now() + 1000)
        expect((await use('https get', token)).stdout).toBe(contentOf(HELLO))
        expect((await use('root read', token)).status).toBe(52)
        expect((await use('https get', newToken(site, { exp: soon }))).status).toBe(22)
      })
    })

    describe('an issuer that ends in a slash, as those of IAM do, and has an area of its own', () => {
      beforeAll(async () => {
        site = await openSite({ provider: { trailingSlash: true }, basePath: '/public' })
        await restore(site)
      })
      afterAll(() => site.close())

      test.each(['root read', 'https get'] as const)('%s below the area', async (operation) => {
        const said = await use(operation, newToken(site, { scope: 'storage.read:/' }))
        expect(said.stdout, shown(said)).toBe(contentOf(HELLO))
      })

      test.each([
        ['root read', 54],
        ['https get', 22],
      ] as const)('%s: a path counts from the area', async (operation, refused) => {
        const below = newToken(site, { scope: 'storage.read:/sub' })
        expect((await use(operation, below, '/public/sub/deep.txt')).status).toBe(0)
        const doubled = newToken(site, { scope: 'storage.read:/public' })
        expect((await use(operation, doubled)).status).toBe(refused)
        const all = newToken(site, { scope: 'storage.read:/' })
        expect((await use(operation, all, '/private/secret.txt')).status).toBe(refused)
      })

      test('is another one without the slash', async () => {
        const from = site.server.log.length
        const said = await use(
          'root read',
          newToken(site, { iss: site.issuer.issuer.replace(/\/$/, '') }),
        )
        expect(said.status, shown(said)).toBe(52)
        await site.server.log.line(/Token issuer is not in list of allowed issuers/, { from })
      })
    })
  },
)

/** The issuer's keys are kept in a file, for days; the library makes it below this directory. */
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
