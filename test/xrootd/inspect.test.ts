import { chmod } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Finished, shown } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import type { Claims } from '../support/signing-key.ts'
import { OPERATIONS } from './operations.ts'
import { AUDIENCE, newToken, openSite, present, restore, runClient, type Site } from './site.ts'
import { skipped, xrootd55Missing } from './xrootd-missing.ts'

const missing = xrootd55Missing()

/** The operations, with their names on our command line. */
const compared = {
  'root read': 'read',
  'https get': 'read',
  'root remove': 'delete',
  'https delete': 'delete',
} as const
const READ = ['--op=read', `--for-audience=${AUDIENCE}`]
type Compared = keyof typeof compared

let site: Site
let sandbox: Sandbox

/*
 * `cli/oidc-token/inspect/evaluate.test.ts` compares the checks of `--for` with the cases of `cases.ts`.
 * Here the command and the server get the same token file.
 */
describe.skipIf(missing !== undefined)(
  `oidc-token --inspect --for and XRootD${skipped(missing)}`,
  () => {
    beforeAll(async () => {
      site = await openSite()
      sandbox = await Sandbox.create()
    })
    afterAll(async () => {
      await sandbox.close()
      await site.close()
    })
    beforeEach(() => restore(site))

    test.each<[Claims, Compared, boolean]>([
      [{}, 'root read', true],
      [{}, 'https get', true],
      [{ exp: 1 }, 'root read', false],
      [{ aud: 'https://x.example' }, 'https get', false],
      [{}, 'root remove', false],
      [{ scope: 'storage.modify:/' }, 'root remove', true],
      [{ scope: 'storage.modify:/' }, 'https delete', false],
      [{ scope: 'storage.read:/private' }, 'root read', false],
      [{ 'wlcg.ver': undefined }, 'https get', false],
    ])(
      'oidc-token --inspect --for and XRootD agree on a token with %j: "%s" works: %s',
      async (claims, operation, works) => {
        const path = '/public/hello.txt'
        const token = await present(site, newToken(site, claims))
        const attempt = { site, token, path }
        const { command, happened } = OPERATIONS[operation]
        const done = await runClient(site, command(attempt), { BEARER_TOKEN_FILE: token.file })
        expect(await happened(attempt, done), shown(done)).toBe(works)
        const inspected = await inspect(token.file, operation, path)
        expect(inspected.status, shown(inspected)).toBe(works ? 0 : 1)
      },
    )

    test.each([
      [0o600, true],
      [0o640, false],
      [0o604, false],
    ])(
      'oidc-token --inspect --for and xrdcp agree on a token file of mode %i: it works: %s',
      async (mode, works) => {
        const { file } = await present(site, newToken(site))
        await chmod(file, mode)
        const { command } = OPERATIONS['root read']
        const attempt = { site, token: { file, header: '' }, path: '/public/hello.txt' }
        const done = await runClient(site, command(attempt), { BEARER_TOKEN_FILE: file })
        expect(done.status === 0, shown(done)).toBe(works)
        const inspected = await sandbox.run(
          'oidc-token',
          ['--inspect', `--for=${site.server.rootUrl}${attempt.path}`, ...READ],
          { env: { BEARER_TOKEN_FILE: file } },
        )
        expect(inspected.status, shown(inspected)).toBe(works ? 0 : 1)
      },
    )

    function inspect(file: string, operation: Compared, path: string): Promise<Finished> {
      const { rootUrl, httpsUrl } = site.server
      const url = operation.startsWith('root') ? `${rootUrl}${path}` : `${httpsUrl}${path}`
      const wanted = [`--for=${url}`, `--op=${compared[operation]}`, `--for-audience=${AUDIENCE}`]
      return sandbox.run('oidc-token', ['--inspect', `--token-file=${file}`, ...wanted])
    }
  },
)
