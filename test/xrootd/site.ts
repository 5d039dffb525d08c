import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Finished, outputOf, runCommand } from '../support/command.ts'
import { approveWhenShown } from '../support/oidc-gen-output.ts'
import type { Sandbox } from '../support/sandbox.ts'
import type { Claims } from '../support/signing-key.ts'
import {
  startWlcgProvider,
  type WlcgProvider,
  type WlcgProviderOptions,
} from '../support/wlcg-provider.ts'
import { startXrootd, type Xrootd, type XrootdOptions } from './server.ts'
import type { CommandLine } from './trust.ts'

/** The audience of the site's server. */
export const AUDIENCE = 'https://se.example.org'

const PATH = '/usr/bin:/bin'
const SCOPE = 'openid offline_access wlcg storage.read:/ storage.create:/ storage.modify:/'

/** The files of the server, each with its own content. */
const FILES: readonly string[] = [
  '/public/hello.txt',
  '/public/sub/deep.txt',
  '/private/secret.txt',
  '/publication/paper.txt',
]

/** A storage server, the issuer that it trusts, and a client machine. */
export interface Site {
  readonly issuer: WlcgProvider
  readonly server: Xrootd
  /** The files of the client machine. */
  readonly directory: string
  /** The environment of commands on the client machine. */
  readonly env: Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

export interface SiteOptions extends Partial<XrootdOptions> {
  readonly provider?: WlcgProviderOptions
}

export async function openSite({ provider = {}, ...options }: SiteOptions = {}): Promise<Site> {
  const opened: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const end of opened.toReversed()) await end()
  }
  try {
    const directory = await mkdtemp(join(tmpdir(), 'xrootd-client-'))
    opened.push(() => rm(directory, { recursive: true, force: true }))
    await writeFile(join(directory, 'new.txt'), NEW_CONTENT)
    const issuer = await startWlcgProvider(provider)
    opened.push(issuer.close)
    const trusted = { issuer: issuer.issuer, caPem: issuer.caPem, audience: [AUDIENCE] }
    const server = await startXrootd({ ...trusted, ...options })
    opened.push(server.close)
    const env = { PATH, HOME: directory, LANG: 'C.UTF-8', ...server.clientEnv }
    return { issuer, server, directory, env, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The content of `new.txt` on the client machine. */
export const NEW_CONTENT = 'new content\n'

/** The content of a file of {@link FILES}. */
export function contentOf(path: string): string {
  return `content of ${path}\n`
}

/** Restores the server's files. */
export async function restore({ server }: Site): Promise<void> {
  for (const top of new Set(FILES.map((path) => path.split('/')[1] ?? ''))) {
    await rm(join(server.dataDirectory, top), { recursive: true, force: true })
  }
  for (const path of FILES) await server.put(path, contentOf(path))
}

/** The content of a file on the server; undefined if it does not exist. */
export async function stored({ server }: Site, path: string): Promise<string | undefined> {
  return readFile(join(server.dataDirectory, path), 'utf8').catch(() => undefined)
}

/** Whether the server has this directory. */
export async function isDirectory({ server }: Site, path: string): Promise<boolean> {
  const found = await stat(join(server.dataDirectory, path)).catch(() => undefined)
  return found?.isDirectory() === true
}

/**
 * A token of the site's issuer, by default for reading everything. Each is new, because the server
 * caches its decision about a token for at least a minute.
 */
export function newToken({ issuer }: Site, claims: Claims = {}, header: Claims = {}): string {
  const now = Math.floor(Date.now() / 1000)
  const good = {
    iss: issuer.issuer,
    sub: 'alice',
    aud: AUDIENCE,
    scope: 'storage.read:/',
    'wlcg.ver': '1.0',
    iat: now,
    nbf: now,
    exp: now + 600,
    jti: randomUUID(),
  }
  return issuer.sign({ ...good, ...claims }, header)
}

/** The files in which {@link present} has written a token. */
export interface Presented {
  /** The token alone. */
  readonly file: string
  /** An HTTP header, for curl's `-H @file`: arguments are visible to all users of the machine. */
  readonly header: string
}

/** Writes a token to files with mode 0600. */
export async function present({ directory }: Site, token: string): Promise<Presented> {
  const presented = { file: join(directory, 'token'), header: join(directory, 'header') }
  await writeFile(presented.file, `${token}\n`, { mode: 0o600 })
  await writeFile(presented.header, `Authorization: Bearer ${token}\n`, { mode: 0o600 })
  return presented
}

/** Runs a command on the client machine. */
export function runClient(
  site: Site,
  [command, ...args]: CommandLine,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return runCommand(command, args, { env: { ...site.env, ...env }, cwd: site.directory })
}

/** Creates the account `wlcg` with all scopes of the site. */
export async function logIn({ issuer }: Site, sandbox: Sandbox): Promise<void> {
  const password = await sandbox.file('password', 'a password\n')
  const gen = sandbox.start('oidc-gen', [
    ...['-w', 'device', `--iss=${issuer.issuer}`, `--cp=${issuer.caPath}`],
    ...[`--scope=${SCOPE}`, `--pw-file=${password}`, '--prompt=none', 'wlcg'],
  ])
  let said = ''
  gen.child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await approveWhenShown(() => said, issuer)
  outputOf(await gen.finished)
}
