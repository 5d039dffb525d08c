import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Finished, shown } from '../support/command.ts'
import type { Claims } from '../support/signing-key.ts'
import * as sites from './site.ts'
import { skipped, xrootd55Missing } from './xrootd-missing.ts'

const HELLO = '/public/hello.txt'
const missing = xrootd55Missing()

let site: sites.Site

describe.skipIf(missing !== undefined)(`rclone and XRootD${skipped(missing)}`, () => {
  beforeAll(async () => {
    site = await sites.openSite()
  })
  afterAll(() => site.close())
  beforeEach(() => sites.restore(site))

  test('rclone reads a file with the token of bearer_token_command', async () => {
    const { said } = await rclone({ scope: 'storage.read:/public' }, 'cat', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(0)
    expect(said.stdout).toBe(sites.contentOf(HELLO))
  })

  test('rclone writes a new file with storage.read and storage.create', async () => {
    const scope = 'storage.read:/public storage.create:/public'
    const { said } = await rclone({ scope }, 'copyto', 'new.txt', 'se:/public/new.txt')
    expect(said.status, shown(said)).toBe(0)
    expect(await sites.stored(site, '/public/new.txt')).toBe(sites.NEW_CONTENT)
  })

  test('rclone replaces a file with storage.modify, but not with storage.create', async () => {
    const create = 'storage.read:/public storage.create:/public'
    const refused = await rclone({ scope: create }, 'copyto', 'new.txt', `se:${HELLO}`)
    expect(refused.said.status, shown(refused.said)).toBe(1)
    expect(refused.log).toContain(`Unable to create ${HELLO}; permission denied`)
    expect(await sites.stored(site, HELLO)).toBe(sites.contentOf(HELLO))

    const modify = 'storage.read:/public storage.modify:/public'
    const { said } = await rclone({ scope: modify }, 'copyto', 'new.txt', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(0)
    expect(await sites.stored(site, HELLO)).toBe(sites.NEW_CONTENT)
  })

  test.each([
    ['a scope for another path', { scope: 'storage.read:/private' }, 'permission denied'],
    [
      'a scope for writing only, as rclone first lists the directory',
      { scope: 'storage.modify:/public' },
      'Forbidden',
    ],
    ['another audience', { aud: 'https://other.example.org' }, "'aud' claim verification failed"],
    ['a token without scope', { scope: undefined }, "'scope' claim is mandatory"],
    // XRootD answers 403, and only a 401 makes rclone run the command again.
    ['an expired token', { exp: 1 }, 'token expired'],
  ])(
    'XRootD refuses rclone with %s, and rclone requests one token',
    async (_what, claims, reason) => {
      const { said, log, asked } = await rclone(claims, 'cat', `se:${HELLO}`)
      expect(said.status, shown(said)).toBe(1)
      expect(said.stderr).toContain('403 Forbidden')
      expect(`${log}${said.stderr}`).toContain(reason)
      expect(asked).toBe(1)
    },
  )

  test('rclone needs a scope for the directory of a file', async () => {
    const { said } = await rclone({ scope: `storage.read:${HELLO}` }, 'cat', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(1)
    expect(said.stderr).toContain('Unable to locate /public/; permission denied')
  })

  test('rclone reports why bearer_token_command failed', async () => {
    const { said } = await rclone(undefined, 'cat', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(1)
    expect(said.stderr).toContain('failed to get bearer token using')
    expect(said.stderr).toContain('token: No such file or directory')
  })
})

interface Run {
  readonly said: Finished
  readonly log: string
  /** The number of runs of bearer_token_command. */
  readonly asked: number
}

/** Runs rclone with a token with these claims; without a token if they are undefined. */
async function rclone(claims: Claims | undefined, ...words: readonly string[]): Promise<Run> {
  const { directory, server } = site
  const [token, command] = [join(directory, 'token'), join(directory, 'print-token')]
  const [calls, configuration] = [join(directory, 'calls'), join(directory, 'rclone.conf')]
  await rm(token, { force: true })
  if (claims !== undefined) await sites.present(site, sites.newToken(site, claims))
  await writeFile(calls, '')
  await writeFile(command, `#!/bin/sh\necho x >> ${calls}\nexec cat ${token}\n`, { mode: 0o700 })
  await writeFile(
    configuration,
    `[se]
type = webdav
vendor = other
url = ${server.httpsUrl}
bearer_token_command = ${command}
`,
  )
  const from = server.log.length
  const once = ['--retries', '1', '--low-level-retries', '1']
  const said = await sites.runClient(site, ['rclone', '--config', configuration, ...once, ...words])
  // Each connection ends with such a line; without a token there was no connection.
  if (claims !== undefined) await server.log.line(/ disc \d/, { from })
  return { said, log: server.log.since(from), asked: (await readFile(calls, 'utf8')).length / 2 }
}
