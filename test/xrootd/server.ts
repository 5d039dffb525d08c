import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createAuthority } from '../support/certificates.ts'
import { outputOf, runCommand } from '../support/command.ts'
import { endProcess } from '../support/process-table.ts'
import {
  type ServerPlaces,
  sciTokensConfiguration,
  serverPlaces,
  type TokenRules,
  xrootdConfiguration,
} from './server-configuration.ts'
import { ServerLog } from './server-log.ts'
import { give, type ServerUser, serverUser, unprivileged } from './server-user.ts'
import { type CommandLine, SYSTEM_BUNDLE, trusting } from './trust.ts'

export interface XrootdOptions {
  readonly issuer: string
  /** Authority of the issuer's certificate, PEM. */
  readonly caPem: string
  readonly audience: readonly string[]
  /** Default `/`. */
  readonly basePath?: string
}

/** A running XRootD server: root:// and https:// on one free port of localhost. */
export interface Xrootd {
  /** E.g. `5.5.3`. */
  readonly version: string
  /** `root://localhost:PORT/`; an absolute path appended to it makes a URL. */
  readonly rootUrl: string
  /** `https://localhost:PORT`; likewise. */
  readonly httpsUrl: string
  /** What it serves as `/`. */
  readonly dataDirectory: string
  /** Makes xrdcp, xrdfs, curl and rclone trust the server. */
  readonly clientEnv: Readonly<Record<string, string>>
  readonly log: ServerLog
  readonly serverLog: () => string
  /** Writes a file to be served, which the server may replace. */
  readonly put: (path: string, content: string) => Promise<void>
  /** `command` as it has to be run to trust the issuer where it uses libSciTokens itself. */
  readonly trusting: (command: CommandLine) => CommandLine
  readonly close: () => Promise<void>
}

/** A start takes about a second, on a machine with nothing else to do. */
const START_TIMEOUT_MS = 30_000
const READY = /^-+ xrootd \S+:(\d+) initialization completed/m
const VERSION = /xrd version v(\S+)/
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Starts a server. Ask `xrootdMissing` first whether one can be had.
 * @throws Error with its log where it does not come up.
 */
export async function startXrootd(options: XrootdOptions): Promise<Xrootd> {
  const user = serverUser()
  if (user === undefined) throw new Error('there is no user for xrootd to run as')
  const directory = await mkdtemp(join(tmpdir(), 'xrootd-'))
  try {
    await prepare(directory, user, { basePath: '/', ...options })
    return await start(directory, user)
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

async function start(directory: string, user: ServerUser): Promise<Xrootd> {
  const places = serverPlaces(directory)
  // Where its pid file goes, it writes a note on itself too; otherwise to /tmp, for good.
  const files = ['-c', places.configuration, '-s', join(places.state, 'xrootd.pid')]
  const server = unprivileged(user, ['xrootd', ...files])
  const [command, ...args] = trusting(places.bundle, server)
  const child = spawn(command, args, {
    cwd: places.state,
    stdio: ['ignore', 'pipe', 'pipe'],
    // The cache of the issuers' keys would otherwise be in the home of the server's user.
    env: { PATH, LANG: 'C.UTF-8', HOME: places.state, XDG_CACHE_HOME: places.state },
  })
  // Where it cannot be started its outputs end too, and that is reported below.
  child.on('error', () => undefined)
  const log = new ServerLog([child.stdout, child.stderr])
  const end = async (): Promise<void> => {
    if (child.pid !== undefined) await endProcess(child.pid)
  }
  try {
    const ready = await log.line(READY, { timeoutMs: START_TIMEOUT_MS })
    const port = ready[1] ?? ''
    return {
      version: VERSION.exec(log.text)?.[1] ?? 'unknown',
      rootUrl: `root://localhost:${port}/`,
      httpsUrl: `https://localhost:${port}`,
      dataDirectory: places.data,
      clientEnv: clientEnvironment(places),
      log,
      serverLog: () => log.text,
      put: async (path, content) => {
        await makeOwn(dirname(join(places.data, path)), user)
        await writeFile(join(places.data, path), content)
        await give(join(places.data, path), user)
      },
      trusting: (line) => trusting(places.bundle, line),
      close: async () => {
        await end()
        await rm(directory, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await end()
    throw error
  }
}

function clientEnvironment({ authorities, bundle }: ServerPlaces): Record<string, string> {
  // XRootD's clients, curl and Go (rclone) each have their own variable.
  return { X509_CERT_DIR: authorities, CURL_CA_BUNDLE: bundle, SSL_CERT_FILE: bundle }
}

async function prepare(
  directory: string,
  user: ServerUser,
  options: TokenRules & { readonly caPem: string },
): Promise<void> {
  const places = serverPlaces(directory)
  // Only the key is secret; clients of any user read the authorities.
  await chmod(directory, 0o755)
  for (const path of [places.data, places.state]) await makeOwn(path, user)

  const authority = createAuthority('XRootD test CA')
  const { cert, key } = authority.issue()
  await writeFile(places.certificate, cert)
  await writeFile(places.key, key, { mode: 0o400 })
  await give(places.key, user)
  await mkdir(places.authorities)
  await writeFile(join(places.authorities, 'host.pem'), authority.pem)
  outputOf(await runCommand('openssl', ['rehash', places.authorities], { env: { PATH } }))
  const system = await readFile(SYSTEM_BUNDLE, 'utf8')
  await writeFile(places.bundle, [system, options.caPem, authority.pem].join('\n'))

  await writeFile(places.configuration, xrootdConfiguration(places))
  await writeFile(places.sciTokens, sciTokensConfiguration(options))
}

async function makeOwn(path: string, user: ServerUser): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  for (let made = path; first !== undefined && made.startsWith(first); made = dirname(made)) {
    await give(made, user)
  }
}
