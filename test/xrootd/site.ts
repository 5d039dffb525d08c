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

/** The name under which the site's server takes tokens. */
export const AUDIENCE = 'https://se.example.org'

const PATH = '/usr/bin:/bin'
const SCOPE = 'openid offline_access wlcg storage.read:/ storage.create:/ storage.modify:/'

/** The files the server holds, each with a line of its own in it. */
const FILES: readonly string[] = [
  '/public/hello.txt',
  '/public/sub/deep.txt',
  '/private/secret.txt',
  '/publication/paper.txt',
]

/** A storage server, the issuer it trusts, and the machine of a person who uses both. */
export interface Site {
  readonly issuer: WlcgProvider
  readonly server: Xrootd
  /** The person's files. */
  readonly directory: string
  /** Of the person's commands. */
  readonly env: Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

export interface SiteOptions extends Partial<XrootdOptions> {
  readonly provider?: WlcgProviderOptions
}

export async function openSite({ provider = {}, ...wish }: SiteOptions = {}): Promise<Site> {
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
    const server = await startXrootd({ ...trusted, ...wish })
    opened.push(server.close)
    const env = { PATH, HOME: directory, LANG: 'C.UTF-8', ...server.clientEnv }
    return { issuer, server, directory, env, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What `new.txt` in the sandbox holds. */
export const NEW_CONTENT = 'new content\n'

/** What a file of {@link FILES} holds. */
export function contentOf(path: string): string {
  return `content of ${path}\n`
}

/** Puts the server's files back as they were. */
export async function restore({ server }: Site): Promise<void> {
  for (const top of new Set(FILES.map((path) => path.split('/')[1] ?? ''))) {
    await rm(join(server.dataDirectory, top), { recursive: true, force: true })
  }
  for (const path of FILES) await server.put(path, contentOf(path))
}

/** A file of the server as it is now; undefined where there is none. */
export async function stored({ server }: Site, path: string): Promise<string | undefined> {
  return readFile(join(server.dataDirectory, path), 'utf8').catch(() => undefined)
}

/** Whether the server has this directory now. */
export async function isDirectory({ server }: Site, path: string): Promise<boolean> {
  const found = await stat(join(server.dataDirectory, path)).catch(() => undefined)
  return found?.isDirectory() === true
}

/**
 * A token of the site's issuer, good for reading everything unless `claims` say otherwise. Each is
 * another one: the server keeps what it decided about a token for at least a minute.
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

/** Where {@link present} has put a token. */
export interface Presented {
  /** The token alone. */
  readonly file: string
  /** As a header, for curl's `-H @file`: a token in the arguments is seen by all on the machine. */
  readonly header: string
}

/** Writes a token to files that only its owner can read. */
export async function present({ directory }: Site, token: string): Promise<Presented> {
  const presented = { file: join(directory, 'token'), header: join(directory, 'header') }
  await writeFile(presented.file, `${token}\n`, { mode: 0o600 })
  await writeFile(presented.header, `Authorization: Bearer ${token}\n`, { mode: 0o600 })
  return presented
}

/** Runs a client on the person's machine. */
export function runClient(
  site: Site,
  [command, ...args]: CommandLine,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return runCommand(command, args, { env: { ...site.env, ...env }, cwd: site.directory })
}

/** Logs somebody in as the account `wlcg`, who may do all that the site's server knows. */
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
