import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { payloadOf } from '../support/access-token.ts'
import { outputOf, type Started, shown } from '../support/command.ts'
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
const WRITE = ['--scope=storage.read:/public', '--scope=storage.create:/public']
const FOR_SITE = [`--aud=${AUDIENCE}`, ...WRITE]

const missing = xrootdMissing()

let site: Site
let sandbox: Sandbox

describe.skipIf(missing !== undefined)(`managed token file and XRootD${skipped(missing)}`, () => {
  beforeAll(async () => {
    site = await openSite({ provider: { trailingSlash: true } })
    sandbox = await Sandbox.create()
    const { clientEnv, rootUrl, httpsUrl } = site.server
    const newFile = join(site.directory, 'new.txt')
    Object.assign(sandbox.env, clientEnv, { ROOT: rootUrl, HTTPS: httpsUrl, NEW_FILE: newFile })
    await sandbox.startAgent()
    await logIn(site, sandbox)
  })
  afterAll(async () => {
    await sandbox.close()
    await site.close()
  })
  beforeEach(() => restore(site))

  test('xrdcp finds the managed token file, and reads and writes with it', async () => {
    const path = await keep(...FOR_SITE)
    const read = await sandbox.sh(`xrdcp -f "$ROOT"${HELLO} -`)
    expect(outputOf(read)).toBe(contentOf(HELLO))
    outputOf(await sandbox.sh(`xrdcp "$NEW_FILE" "$ROOT"${NEW}`))
    expect(await stored(site, NEW)).toBe(NEW_CONTENT)
    expect((await readFile(path)).length).toBeLessThanOrEqual(4096)

    outputOf(await sandbox.run('oidc-token', ['--file-stop']))
    const without = await sandbox.sh(`xrdcp -f "$ROOT"${HELLO} -`)
    expect(without.status, shown(without)).toBe(52)
  })

  test('xrdcp reads with the token file of a purpose, named by BEARER_TOKEN_FILE', async () => {
    await keep('--purpose=other', '--aud=https://other.example.org', ...WRITE)
    const line = outputOf(
      await sandbox.run('oidc-token', ['--file', '--purpose=site', '--env', ...FOR_SITE, 'wlcg']),
    )
    const read = await sandbox.sh(`${line} xrdcp -f "$ROOT"${HELLO} -`)
    expect(outputOf(read)).toBe(contentOf(HELLO))
    const from = site.server.log.length
    const other = line.replace('-site', '-other')
    const refused = await sandbox.sh(`${other} xrdcp -f "$ROOT"${HELLO} -`)
    expect(refused.status, shown(refused)).toBe(54)
    await site.server.log.line(/'aud' claim verification failed/, { from })
  })

  test('xrdcp and curl under oidc-tokensh read and write with the token file', async () => {
    const args = ['--oidc=wlcg', ...FOR_SITE, '--']
    const write = await sandbox.run('oidc-tokensh', [
      ...args,
      ...['xrdcp', join(site.directory, 'new.txt'), `${site.server.rootUrl}${NEW}`],
    ])
    outputOf(write)
    expect(await stored(site, NEW)).toBe(NEW_CONTENT)
    // The spaces after the token are valid in a header, too.
    const script = `(printf 'Authorization: Bearer '; cat "$BEARER_TOKEN_FILE") >header
      curl -sS --fail -H @header "$HTTPS"${HELLO}`
    const read = await sandbox.run('oidc-tokensh', [...args, 'sh', '-c', script])
    expect(outputOf(read)).toBe(contentOf(HELLO))
  })

  test('a job under oidc-tokensh goes on copying after its first token of 20 seconds has expired', async () => {
    site.issuer.settings.accessTokenSeconds = 20
    try {
      // Copies, prints its token, waits for the file go-on, and copies again.
      const script = `
        xrdcp -f "$ROOT"${HELLO} - && echo && echo "at $BEARER_TOKEN_FILE" && cat "$BEARER_TOKEN_FILE"
        until test -e go-on; do sleep 0.1; done
        xrdcp "$NEW_FILE" "$ROOT"${NEW} && echo copied && cat "$BEARER_TOKEN_FILE"`
      // One scope more than before: for those the agent has cached tokens of an hour.
      const words = ['--oidc=wlcg', ...FOR_SITE, '--scope=wlcg', '--', 'sh', '-c', script]
      const job = sandbox.start('oidc-tokensh', words)
      const [path, first] = await firstToken(job)
      await renewed(path)
      const second = (await readFile(path, 'utf8')).trim()
      expect(second).not.toBe(first)

      // The effect of an expiry shows only after it.
      await wait(Number(payloadOf(first).exp) * 1000 - Date.now() + 1000)
      const from = site.server.log.length
      const old = await sandbox.sh(`BEARER_TOKEN=${first} xrdcp -f "$ROOT"${HELLO} -`)
      expect(old.status, shown(old)).toBe(52)
      await site.server.log.line(/User authentication failed; .*token expired/, { from })

      await sandbox.file('home/go-on', '')
      const said = outputOf(await job.finished)
      expect(said).toContain('copied\n')
      expect(await stored(site, NEW)).toBe(NEW_CONTENT)
    } finally {
      site.issuer.settings.accessTokenSeconds = 3600
    }
  })

  async function keep(...args: readonly string[]): Promise<string> {
    return outputOf(await sandbox.run('oidc-token', ['--file', ...args, 'wlcg'])).trimEnd()
  }
})

/** The path of the job's token file and the token in it, as the job prints them. */
async function firstToken({
  child,
  finished,
}: Started): Promise<readonly [path: string, token: string]> {
  let said = ''
  const shownToken = new Promise<readonly [string, string]>((resolve) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const [, path, token] = /^at (.*)\n(ey\S+)/m.exec(said) ?? []
      if (path !== undefined && token !== undefined) resolve([path, token])
    })
  })
  const ended = finished.then((end): never => {
    throw new Error(`the job has ended:\n${shown(end)}`)
  })
  return await Promise.race([shownToken, ended])
}

/** Resolves when the file has been replaced. */
async function renewed(path: string): Promise<void> {
  const watcher = watch(dirname(path), { signal: AbortSignal.timeout(60_000) })
  try {
    await new Promise<void>((resolve, reject) => {
      watcher.on('close', () => reject(new Error(`${path} was not renewed`)))
      watcher.on('change', (_event, name) => {
        if (name === basename(path)) resolve()
      })
    })
  } finally {
    watcher.close()
  }
}
