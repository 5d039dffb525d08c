import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { type Finished, outputOf, shown } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import {
  AUDIENCE,
  contentOf,
  logIn,
  NEW_CONTENT,
  openSite,
  restore,
  type Site,
  stored,
} from './site.ts'
import { skipped, xrootdMissing } from './xrootd-missing.ts'

const HELLO = '/public/hello.txt'
const NEW = '/public/new.txt'
const READ = 'storage.read:/public'
const WRITE = 'storage.read:/public storage.create:/public'

const missing = xrootdMissing()

let site: Site
let sandbox: Sandbox

/** Shell words that print a token. */
function token(scope: string, audience = AUDIENCE): string {
  return `oidc-token --aud='${audience}' --scope='${scope}' wlcg`
}

/** Runs a shell line, with the URLs of the server and a file to send in variables. */
function sh(script: string): Promise<Finished> {
  const { rootUrl, httpsUrl } = site.server
  const given = { ROOT: rootUrl, HTTPS: httpsUrl, NEW_FILE: join(site.directory, 'new.txt') }
  return sandbox.sh(script, { env: given })
}

describe.skipIf(missing !== undefined)(`login, token and XRootD${skipped(missing)}`, () => {
  beforeAll(async () => {
    // An issuer as those of IAM: its name ends in a slash.
    site = await openSite({ provider: { trailingSlash: true } })
    sandbox = await Sandbox.create()
    Object.assign(sandbox.env, site.server.clientEnv)
    await sandbox.startAgent()
    await logIn(site, sandbox)
  })
  afterAll(async () => {
    await sandbox.close()
    await site.close()
  })
  beforeEach(() => restore(site))

  test('xrdcp reads and writes with the token in the environment', async () => {
    const read = await sh(`BEARER_TOKEN=$(${token(READ)}) xrdcp -f "$ROOT"${HELLO} -`)
    expect(outputOf(read)).toBe(contentOf(HELLO))
    outputOf(await sh(`BEARER_TOKEN=$(${token(WRITE)}) xrdcp "$NEW_FILE" "$ROOT"${NEW}`))
    expect(await stored(site, NEW)).toBe(NEW_CONTENT)
  })

  test('xrdcp finds the token in the runtime directory', async () => {
    const save = `umask 077; ${token(WRITE)} >"$XDG_RUNTIME_DIR/bt_u$(id -u)"`
    outputOf(await sh(`${save}; xrdcp "$NEW_FILE" "$ROOT"${NEW}; rm "$XDG_RUNTIME_DIR"/bt_u*`))
    expect(await stored(site, NEW)).toBe(NEW_CONTENT)
  })

  test('curl reads and writes with the token on stdin, outside of the process list', async () => {
    const header = `sed 's/^/Authorization: Bearer /'`
    const read = await sh(`${token(READ)} | ${header} | curl -sS --fail -H @- "$HTTPS"${HELLO}`)
    expect(outputOf(read)).toBe(contentOf(HELLO))
    const put = `curl -sS --fail -H @- -T "$NEW_FILE" "$HTTPS"${NEW}`
    outputOf(await sh(`${token(WRITE)} | ${header} | ${put}`))
    expect(await stored(site, NEW)).toBe(NEW_CONTENT)
  })

  test('rclone reads and writes with oidc-token as its bearer_token_command', async () => {
    // rclone splits the command at each space, quoted or not: one option for each scope.
    const scopes = WRITE.split(' ')
      .map((scope) => `-s ${scope}`)
      .join(' ')
    const configuration = await sandbox.file(
      'rclone.conf',
      `[se]
type = webdav
vendor = other
url = ${site.server.httpsUrl}
bearer_token_command = oidc-token --aud ${AUDIENCE} ${scopes} wlcg
`,
    )
    const rclone = `rclone --config '${configuration}'`
    expect(outputOf(await sh(`${rclone} cat se:${HELLO}`))).toBe(contentOf(HELLO))
    outputOf(await sh(`${rclone} copyto "$NEW_FILE" se:${NEW}`))
    expect(await stored(site, NEW)).toBe(NEW_CONTENT)
  })

  test('scitokens-verify accepts a token of oidc-token', async () => {
    const printed = outputOf(await sh(token(READ))).trim()
    const [command, ...args] = site.server.trusting(['scitokens-verify', printed])
    const said = await sandbox.run(command, args)
    expect(outputOf(said)).toContain('Token deserialization successful')
  })

  test.each([
    ['without the scope', token('storage.create:/public'), 54, /permission denied/],
    ['for another path', token('storage.read:/private'), 54, /permission denied/],
    [
      'for another audience',
      token(READ, 'https://other.example.org'),
      54,
      /'aud' claim verification failed/,
    ],
  ])('XRootD refuses a token of oidc-token %s', async (_what, printToken, status, reason) => {
    const from = site.server.log.length
    const root = await sh(`BEARER_TOKEN=$(${printToken}) xrdcp -f "$ROOT"${HELLO} -`)
    expect(root.status, shown(root)).toBe(status)
    await site.server.log.line(reason, { from })
    const https = await sh(`curl -sS --fail --oauth2-bearer "$(${printToken})" "$HTTPS"${HELLO}`)
    expect(https.status, shown(https)).toBe(22)
    expect(https.stderr).toContain('403')
  })

  test('XRootD refuses an expired token, and oidc-token returns a new one by then', async () => {
    site.issuer.settings.accessTokenSeconds = 3
    try {
      const audience = `--aud='${AUDIENCE}' -s storage.read:/`
      const old = outputOf(await sh(`oidc-token ${audience} wlcg`)).trim()
      const read = (one: string): Promise<Finished> =>
        sh(`BEARER_TOKEN=${one} xrdcp -f "$ROOT"${HELLO} -`)
      expect(outputOf(await read(old))).toBe(contentOf(HELLO))

      // The effect of an expiry shows only after it.
      await wait(Number(payloadOf(old).exp) * 1000 - Date.now() + 1000)
      const from = site.server.log.length
      const refused = await read(old)
      expect(refused.status, shown(refused)).toBe(52)
      await site.server.log.line(/User authentication failed; .*token expired/, { from })
      expect(outputOf(await read(`$(oidc-token ${audience} wlcg)`))).toBe(contentOf(HELLO))
    } finally {
      site.issuer.settings.accessTokenSeconds = 3600
    }
  })
})
