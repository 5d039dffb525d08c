import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Finished, shown } from '../support/command.ts'
import { contentOf, newToken, openSite, restore, runClient, type Site } from './site.ts'
import { type CommandLine, mounting } from './trust.ts'
import { skipped, xrootd55Missing } from './xrootd-missing.ts'

const FILE = '/public/hello.txt'
const UID = process.geteuid?.() ?? 0
/** The maximum size that the server announces; its default. */
const MAX_FILE_BYTES = 4096

type Environment = Readonly<Record<string, string>>

let site: Site

/** Tokens by their place. */
type Cases = Readonly<Record<string, () => Promise<Environment>>>

const FOUND: Cases = {
  'in BEARER_TOKEN': () => Promise.resolve({ BEARER_TOKEN: newToken(site) }),
  'in the file of BEARER_TOKEN_FILE': async () => fileWith(newToken(site)),
  'in the runtime directory': () => inRuntimeDirectory(),
  'with white space around it': async () => fileWith(` \t\n${newToken(site)}\r\n\n`),
  'in a file that cannot be written': async () => fileWith(newToken(site), 0o400),
  'in a file of the maximum size': async () =>
    fileWith(newToken(site).padEnd(MAX_FILE_BYTES, '\n')),
  'in the runtime directory if BEARER_TOKEN_FILE names a missing file': async () => ({
    ...(await inRuntimeDirectory()),
    BEARER_TOKEN_FILE: join(site.directory, 'no-such-file'),
  }),
  'in the runtime directory if BEARER_TOKEN_FILE names an empty file': async () => ({
    ...(await inRuntimeDirectory()),
    ...(await fileWith('\n')),
  }),
}

const NOT_FOUND: Cases = {
  'without variables and files': () => Promise.resolve({}),
  'in a file that its group can read': async () => fileWith(newToken(site), 0o640),
  'in a file that every user can read': async () => fileWith(newToken(site), 0o644),
  'in the runtime directory, after a file that every user can read': async () => ({
    ...(await inRuntimeDirectory()),
    ...(await fileWith(newToken(site), 0o644)),
  }),
  'in a file that is a byte larger, even by white space': async () =>
    fileWith(newToken(site).padEnd(MAX_FILE_BYTES + 1, '\n')),
  'in the environment that is larger than 4096 bytes': () =>
    Promise.resolve({ BEARER_TOKEN: newToken(site, { filler: 'x'.repeat(3000) }) }),
}

const missing = xrootd55Missing()

// A token that xrdcp itself refuses never reaches the server, and xrdcp reports only "Auth failed: No
// protocols left to try": a login in the server's log distinguishes the two cases.
describe.skipIf(missing !== undefined)(`token discovery of xrdcp${skipped(missing)}`, () => {
  beforeAll(async () => {
    site = await openSite()
    await restore(site)
  })
  afterAll(() => site.close())

  test.each(Object.entries(FOUND))('xrdcp finds a token %s', async (_where, given) => {
    expectContent(await read(await given()))
  })

  test.each(Object.entries(NOT_FOUND))('xrdcp finds no token %s', async (_where, given) => {
    const { said, log } = await read(await given())
    expect(said.status, shown(said)).toBe(52)
    expect(log).toContain('connection upgraded to TLS')
    expect(log).not.toMatch(/login as|scitokens_/)
  })

  test('xrdcp uses the first token it finds, even if only a later one is valid', async () => {
    const expired = { BEARER_TOKEN: newToken(site, { exp: 1 }) }
    const { said, log } = await read({ ...(await inRuntimeDirectory()), ...expired })
    expect(said.status, shown(said)).toBe(52)
    expect(log).toContain('User authentication failed; token verification failed: token expired')
  })

  test('XRootD uses the token of the request before that of the session, which is required too', async () => {
    const good = newToken(site)
    const narrow = newToken(site, { scope: 'storage.read:/private' })
    const asked = (token: string): CommandLine => xrdcp(`?authz=Bearer%20${token}`)
    expectContent(await read({ BEARER_TOKEN: narrow }, asked(good)))
    expect((await read({ BEARER_TOKEN: good }, asked(narrow))).said.status).toBe(54)
    expect((await read({}, asked(good))).said.status).toBe(52)
  })

  // The pattern "/tmp/bt_u%d" gets the length of the pattern instead of the user id; fixed in 5.6.2.
  test('xrdcp reads /tmp/bt_u11 for every user id', async () => {
    const own = await inTmp(`bt_u${UID}`)
    expect((await read(own.env, own.command)).said.status).toBe(UID === 11 ? 0 : 52)
    const eleven = await inTmp('bt_u11')
    expectContent(await read(eleven.env, eleven.command))
  })
})

interface Reading {
  readonly said: Finished
  readonly log: string
}

async function read(env: Environment, command = xrdcp()): Promise<Reading> {
  const { log } = site.server
  const from = log.length
  const said = await runClient(site, command, env)
  // The last line of every connection.
  await log.line(/ disc \d/, { from })
  return { said, log: log.since(from) }
}

function expectContent({ said, log }: Reading): void {
  expect(said.status, `${shown(said)}\n${log}`).toBe(0)
  expect(said.stdout).toBe(contentOf(FILE))
}

function xrdcp(query = ''): CommandLine {
  return ['xrdcp', '-f', `${site.server.rootUrl}${FILE}${query}`, '-']
}

async function fileWith(content: string, mode = 0o600): Promise<Environment> {
  return { BEARER_TOKEN_FILE: await written(join(site.directory, 'token'), content, mode) }
}

async function inRuntimeDirectory(): Promise<Environment> {
  const directory = join(site.directory, 'run')
  await mkdir(directory, { recursive: true })
  await written(join(directory, `bt_u${UID}`), newToken(site))
  return { XDG_RUNTIME_DIR: directory }
}

/** xrdcp with a /tmp of its own, which contains one token and the authorities. */
async function inTmp(name: string): Promise<{ env: Environment; command: CommandLine }> {
  const directory = join(site.directory, `tmp-${name}`)
  await mkdir(directory)
  const authorities = join(directory, 'authorities')
  // Links by hash, within the directory.
  const links = { recursive: true, verbatimSymlinks: true }
  await cp(site.env['X509_CERT_DIR'] ?? '', authorities, links)
  await written(join(directory, name), newToken(site))
  return {
    env: { X509_CERT_DIR: '/tmp/authorities' },
    command: mounting(directory, '/tmp', xrdcp()),
  }
}

async function written(path: string, content: string, mode = 0o600): Promise<string> {
  await rm(path, { force: true })
  await writeFile(path, content)
  await chmod(path, mode)
  return path
}
