import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createAuthority } from '../support/certificates.ts'
import { outputOf, runCommand } from '../support/command.ts'
import { endProcess } from '../support/process-table.ts'
import {
  type ServerPaths,
  sciTokensConfiguration,
  serverPaths,
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
  /** The directory served as `/`. */
  readonly dataDirectory: string
  /** Variables with which xrdcp, xrdfs, curl and rclone trust the server. */
  readonly clientEnv: Readonly<Record<string, string>>
  readonly log: ServerLog
  readonly serverLog: () => string
  /** Writes a served file that the server may replace. */
  readonly put: (path: string, content: string) => Promise<void>
  /** The command line with which a command that uses libSciTokens itself trusts the issuer. */
  readonly trusting: (command: CommandLine) => CommandLine
  readonly close: () => Promise<void>
}

/** A start takes about a second on an idle machine. */
const START_TIMEOUT_MS = 30_000
const READY = /^-+ xrootd \S+:(\d+) initialization completed/m
const VERSION = /xrd version v(\S+)/
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Starts a server. Check `xrootdMissing` first.
 * @throws Error with its log if it does not start.
 */
export async function startXrootd(options: XrootdOptions): Promise<Xrootd> {
  const user = serverUser()
  if (user === undefined) throw new Error('no user to run xrootd')
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
  const paths = serverPaths(directory)
  // It also writes a description of itself into the directory of its pid file, by default /tmp.
  const files = ['-c', paths.configuration, '-s', join(paths.state, 'xrootd.pid')]
  const server = unprivileged(user, ['xrootd', ...files])
  const [command, ...args] = trusting(paths.bundle, server)
  const child = spawn(command, args, {
    cwd: paths.state,
    stdio: ['ignore', 'pipe', 'pipe'],
    // The cache of the issuers' keys would otherwise be in the home of the server's user.
    env: { PATH, LANG: 'C.UTF-8', HOME: paths.state, XDG_CACHE_HOME: paths.state },
  })
  // If it cannot be started, its outputs end too, and that is reported below.
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
      dataDirectory: paths.data,
      clientEnv: clientEnvironment(paths),
      log,
      serverLog: () => log.text,
      put: async (path, content) => {
        await makeOwn(dirname(join(paths.data, path)), user)
        await writeFile(join(paths.data, path), content)
        await give(join(paths.data, path), user)
      },
      trusting: (line) => trusting(paths.bundle, line),
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

function clientEnvironment({ authorities, bundle }: ServerPaths): Record<string, string> {
  // XRootD's clients, curl and Go (rclone) each have their own variable.
  return { X509_CERT_DIR: authorities, CURL_CA_BUNDLE: bundle, SSL_CERT_FILE: bundle }
}

async function prepare(
  directory: string,
  user: ServerUser,
  options: TokenRules & { readonly caPem: string },
): Promise<void> {
  const paths = serverPaths(directory)
  // Only the key is secret; clients of any user read the authorities.
  await chmod(directory, 0o755)
  for (const path of [paths.data, paths.state]) await makeOwn(path, user)

  const authority = createAuthority('XRootD test CA')
  const { cert, key } = authority.issue()
  await writeFile(paths.certificate, cert)
  await writeFile(paths.key, key, { mode: 0o400 })
  await give(paths.key, user)
  await mkdir(paths.authorities)
  await writeFile(join(paths.authorities, 'host.pem'), authority.pem)
  outputOf(await runCommand('openssl', ['rehash', paths.authorities], { env: { PATH } }))
  const system = await readFile(SYSTEM_BUNDLE, 'utf8')
  await writeFile(paths.bundle, [system, options.caPem, authority.pem].join('\n'))

  await writeFile(paths.configuration, xrootdConfiguration(paths))
  await writeFile(paths.sciTokens, sciTokensConfiguration(options))
}

async function makeOwn(path: string, user: ServerUser): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  for (let made = path; first !== undefined && made.startsWith(first); made = dirname(made)) {
    await give(made, user)
  }
}
