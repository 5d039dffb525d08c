import { closeSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { findConfigDirectory, logDirectory } from '../protocol/storage/config-directory.ts'
import {
  type AgentOptions,
  type DaemonReport,
  defaultAgentOptions,
} from '../protocol/wire/agent-options.ts'
import { newKeyPair, openSealedChannel } from '../protocol/wire/encryption.ts'
import { AgentError, errorCodes, systemCode, unwritable } from '../protocol/wire/errors.ts'
import { loadSodium } from '../protocol/wire/sodium.ts'
import { ConnectionTable } from './connection-table.ts'
import type { AgentContext } from './context.ts'
import { createAgent } from './context.ts'
import { dispatch } from './dispatch.ts'
import { createLog, fileSink, type Log, whereThrown } from './log.ts'
import { createOpenIdProvider } from './oauth/oauth-provider.ts'
import { mainSocketPeer } from './peers.ts'
import { deriveInThread } from './process/argon2.ts'
import {
  connectionLimit,
  groupId,
  hardenProcess,
  type ReadCredentials,
} from './process/hardening.ts'
import {
  prepareSocketLocation,
  removeSocket,
  type SocketLocation,
  shareSocket,
} from './process/socket-location.ts'
import { systemRuntime } from './runtime.ts'
import { REQUEST_TIMEOUT_MS, RotatingKeyPair, startServer } from './server.ts'

/** Where the launcher listens for our report, and the pipe that ends when the launcher does. */
const REPORT_FD = 3
const PARENT_PIPE_FD = 4
/** Running refreshes are waited for at the end, as they may bring a rotated token; the provider layer gives up after 15 s. */
const LAST_REFRESHES_MS = 20_000

/**
 * The daemon: starts, reports on file descriptor 3 that the socket accepts, serves until a signal
 * or the end of the parent pipe, and leaves nothing behind. Resolves to the exit status.
 */
export async function run(): Promise<number> {
  process.title = 'oidc-agent'
  const options = {
    ...defaultAgentOptions,
    ...(JSON.parse(process.argv[2] ?? '{}') as AgentOptions),
  }
  const log = openLog(options)
  // The stderr of a daemon is gone: a bug that ends it would leave no trace.
  process.on('uncaughtExceptionMonitor', (error) => {
    log.warn(`ended by a bug: ${whereThrown(error)}`)
  })
  try {
    await serve(options, log)
    return 0
  } catch (error) {
    const failure =
      error instanceof AgentError
        ? error
        : new AgentError('internal', String(error), { cause: error })
    log.warn(failure.message)
    report({ error: failure.message, code: failure.code, hint: failure.hint })
    return errorCodes[failure.code].exitStatus
  }
}

async function serve(options: AgentOptions, log: Log): Promise<void> {
  const { readCredentials, missingProtections } = hardenProcess()
  for (const gap of missingProtections) log.warn(gap)
  const uid = process.getuid?.() ?? 0
  // Before the directory is made: where there is no such group, none is left behind.
  const gid = groupOf(options, readCredentials)
  const location = await socketLocation(options, uid)
  const context = createAgent({
    // Where it really is: a login's state says it.
    options: { ...options, socketPath: location.path },
    runtime: systemRuntime,
    log,
    provider: createOpenIdProvider({ extraCaFiles: extraCaFiles(), env: process.env }),
    derive: deriveInThread(join(dirname(process.argv[1] ?? ''), 'argon2-worker.cjs')),
    configDirectory: () => findConfigDirectory(process.env),
    env: process.env,
  })
  // The mode of the socket is set by the umask while it is bound: no moment with another one.
  process.umask(0o177)
  const keys = new RotatingKeyPair(newKeyPair, systemRuntime.now)
  const server = await startServer(location.path, {
    // libsodium comes with the first sealed client: an agent of our own clients never needs it.
    openChannel: async (key) => openSealedChannel(await loadSodium(), key, keys.get()),
    answer: (request, peer, signal) => dispatch(request, peer, context, signal),
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    peerOf: (socket) => mainSocketPeer(readCredentials?.(socket), { uid, gid }),
    connections: new ConnectionTable(connectionLimit(), noRoom),
    log,
  })
  process.umask(0o077)
  try {
    if (gid !== undefined) shareSocket(location, gid)
    if (options.pidFile !== undefined) writePidFile(options.pidFile)
    log.debug(`listening on ${location.path}`)
    // Listened for before anybody knows our pid: a signal must not find us without a handler.
    const end = asked(options)
    // Where the launcher was killed meanwhile, nobody would ever know of this agent: it ends.
    if (report({ socket: location.path, pid: process.pid })) await end
    log.debug('ending')
  } finally {
    await server.close()
    await context.authorizationSessions.close()
    removeSocket(location)
    // What runs is waited for; renewals that are not due yet would only make it longer.
    context.tokens.close()
    await context.tokenFiles.close()
    await lastRefreshes(context)
    await context.provider.close()
  }
  if (options.pidFile !== undefined) rmSync(options.pidFile, { force: true })
}

/**
 * The group the agent is shared with, if any.
 * @throws AgentError `not-implemented` where no peer can be told from another
 */
function groupOf(
  { group }: AgentOptions,
  readCredentials: ReadCredentials | undefined,
): number | undefined {
  if (group === undefined) return undefined
  if (readCredentials !== undefined) return groupId(group)
  throw new AgentError(
    'not-implemented',
    '--with-group needs to know who connects, which this system does not tell',
    { hint: 'It needs Linux and the package koffi.' },
  )
}

function socketLocation(options: AgentOptions, uid: number): Promise<SocketLocation> {
  return prepareSocketLocation({
    socketPath: options.socketPath,
    parentPid: options.parentPid,
    temporaryDirectory: process.env['TMPDIR'] ?? '/tmp',
    uid,
  })
}

function noRoom(): AgentError {
  return new AgentError('agent-busy', 'the agent has no room for another connection', {
    hint: 'Try again. Programs that hold connections without a request are the usual reason; ulimit -n raises the number of connections.',
  })
}

function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`)
  } catch (error) {
    throw unwritable(path, error)
  }
}

/** Node reads NODE_EXTRA_CA_CERTS for its own connections only; grid sites name their CAs in it. */
function extraCaFiles(): readonly string[] {
  const file = process.env['NODE_EXTRA_CA_CERTS']
  return file === undefined || file === '' ? [] : [file]
}

/** Resolves when the agent is told to end: by a signal, or by the end of `oidc-agent COMMAND`. */
function asked(options: AgentOptions): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
    // The terminal of the shell that started us is gone; the agent stays for the others.
    process.on('SIGHUP', () => undefined)
    if (options.parentPipe) {
      // A file stream's read would block a thread, and with it our end, until the launcher's.
      const parentPipe = new Socket({ fd: PARENT_PIPE_FD })
      parentPipe.on('error', resolve).on('close', resolve).unref().resume()
    }
  })
}

async function lastRefreshes(context: AgentContext): Promise<void> {
  const timeUp = new Promise<void>((resolve) => setTimeout(resolve, LAST_REFRESHES_MS).unref())
  await Promise.race([context.tokens.settled(), timeUp])
  for (const loaded of context.keyring.all()) {
    if (loaded.saved.state === 'unsaved') await context.writer.save(loaded)
  }
}

/** False: the launcher is gone. Without one, as when started by hand, there is nobody to miss. */
function report(content: DaemonReport): boolean {
  try {
    writeSync(REPORT_FD, `${JSON.stringify(content)}\n`)
    closeSync(REPORT_FD)
    return true
  } catch (error) {
    return systemCode(error) !== 'EPIPE'
  }
}

function openLog(options: AgentOptions): Log {
  const toStderr = options.logStderr || options.console
  const sink = toStderr
    ? (line: string) => void process.stderr.write(line)
    : fileSink(logDirectory(process.env))
  return createLog(sink, options.debug)
}
