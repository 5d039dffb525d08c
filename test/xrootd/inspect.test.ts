import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Finished, shown } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import type { Claims } from '../support/signing-key.ts'
import { OPERATIONS, type Operation } from './operations.ts'
import { AUDIENCE, newToken, openSite, present, restore, runClient, type Site } from './site.ts'
import { skipped, xrootd55Missing } from './xrootd-missing.ts'

const missing = xrootd55Missing()

let site: Site
let sandbox: Sandbox

/*
 * `cli/oidc-token/inspect/judge.test.ts` compares all that `--for` says with the rows of `rows.ts`. Here
 * the command itself stands beside the server, with the same file.
 */
describe.skipIf(missing !== undefined)(`--inspect --for and XRootD${skipped(missing)}`, () => {
  beforeAll(async () => {
    site = await openSite()
    sandbox = await Sandbox.create()
  })
  afterAll(async () => {
    await sandbox.close()
    await site.close()
  })
  beforeEach(() => restore(site))

  test.each<[string, Claims, Operation, string, boolean]>([
    ['reads', {}, 'root read', 'read', true],
    ['reads', {}, 'https get', 'read', true],
    ['has expired', { exp: 1 }, 'root read', 'read', false],
    ['is for another', { aud: 'https://x.example' }, 'https get', 'read', false],
    ['only reads', {}, 'root remove', 'delete', false],
    ['only modifies', { scope: 'storage.modify:/' }, 'root remove', 'delete', true],
    ['only modifies', { scope: 'storage.modify:/' }, 'https delete', 'delete', false],
    ['is for another directory', { scope: 'storage.read:/private' }, 'root read', 'read', false],
    ['has no wlcg.ver', { 'wlcg.ver': undefined }, 'https get', 'read', false],
  ])('a token that %s: %j %s', async (_what, claims, operation, op, works) => {
    const path = '/public/hello.txt'
    const token = await present(site, newToken(site, claims))
    const attempt = { site, token, path }
    const { command, happened } = OPERATIONS[operation]
    const done = await runClient(site, command(attempt), { BEARER_TOKEN_FILE: token.file })
    expect(await happened(attempt, done), shown(done)).toBe(works)
    const told = await foretold(token.file, operation, op, path)
    expect(told.status, shown(told)).toBe(works ? 0 : 1)
  })

  function foretold(
    file: string,
    operation: Operation,
    op: string,
    path: string,
  ): Promise<Finished> {
    const { rootUrl, httpsUrl } = site.server
    const url = operation.startsWith('root') ? `${rootUrl}${path}` : `${httpsUrl}${path}`
    const wanted = [`--for=${url}`, `--op=${op}`, `--for-audience=${AUDIENCE}`]
    return sandbox.run('oidc-token', ['--inspect', `--token-file=${file}`, ...wanted])
  }
})
