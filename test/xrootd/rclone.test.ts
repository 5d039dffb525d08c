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

describe.skipIf(missing !== undefined)(`rclone at a real XRootD${skipped(missing)}`, () => {
  beforeAll(async () => {
    site = await sites.openSite()
  })
  afterAll(() => site.close())
  beforeEach(() => sites.restore(site))

  test('reads with what bearer_token_command prints', async () => {
    const { said } = await rclone({ scope: 'storage.read:/public' }, 'cat', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(0)
    expect(said.stdout).toBe(sites.contentOf(HELLO))
  })

  test('writes a new file, and may look at it', async () => {
    const scope = 'storage.read:/public storage.create:/public'
    const { said } = await rclone({ scope }, 'copyto', 'new.txt', 'se:/public/new.txt')
    expect(said.status, shown(said)).toBe(0)
    expect(await sites.stored(site, '/public/new.txt')).toBe(sites.NEW_CONTENT)
  })

  test('replaces a file with storage.modify, and not with storage.create', async () => {
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
    ['another path', { scope: 'storage.read:/private' }, 'permission denied'],
    [
      'writing alone: it asks first what is there',
      { scope: 'storage.modify:/public' },
      'Forbidden',
    ],
    ['another audience', { aud: 'https://other.example.org' }, "'aud' claim verification failed"],
    ['no scope', { scope: undefined }, "'scope' claim is mandatory"],
    // XRootD says 403, not 401, and only 401 makes rclone run the command again.
    ['a token that has expired', { exp: 1 }, 'token expired'],
  ])('is refused with %s, having asked for one token', async (_what, claims, reason) => {
    const { said, log, asked } = await rclone(claims, 'cat', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(1)
    expect(said.stderr).toContain('403 Forbidden')
    expect(`${log}${said.stderr}`).toContain(reason)
    expect(asked).toBe(1)
  })

  test('needs the directory of a file, not the file alone', async () => {
    const { said } = await rclone({ scope: `storage.read:${HELLO}` }, 'cat', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(1)
    expect(said.stderr).toContain('Unable to locate /public/; permission denied')
  })

  test('passes on why there is no token', async () => {
    const { said } = await rclone(undefined, 'cat', `se:${HELLO}`)
    expect(said.status, shown(said)).toBe(1)
    expect(said.stderr).toContain('failed to get bearer token using')
    expect(said.stderr).toContain('token: No such file or directory')
  })
})

interface Run {
  readonly said: Finished
  readonly log: string
  /** How often the command for a token was run. */
  readonly asked: number
}

/** Runs rclone with a token of these claims; with none at all if they are undefined. */
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
  // Each connection ends with such a line; where no token was to be had there was none.
  if (claims !== undefined) await server.log.line(/ disc \d/, { from })
  return { said, log: server.log.since(from), asked: (await readFile(calls, 'utf8')).length / 2 }
}
