import { closeSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { findConfigDirectory, logDirectory } from '../protocol/storage/config-directory.ts'
import {
  type AgentOptions,
  type DaemonReport,
  defaultAgentOptions,
} from '../protocol/wire/agent-options.ts'
import { parseCeiling } from '../protocol/wire/ceiling.ts'
import { newKeyPair, openSealedChannel } from '../protocol/wire/encryption.ts'
import { AgentError, errorCodes, systemCode, unwritable } from '../protocol/wire/errors.ts'
import { loadSodium } from '../protocol/wire/sodium.ts'
import { systemRuntime } from './concurrency.ts'
import { type AgentContext, createAgent } from './context.ts'
import { dispatch } from './dispatch.ts'
import { fileAnswer } from './file-answers.ts'
import { createLog, type Log, LogFile, whereThrown } from './log.ts'
import { createOpenIdProvider } from './oauth/oauth-provider.ts'
import { mainSocketPeer, type Peer } from './peers.ts'
import { deriveInThread } from './process/argon2.ts'
import {
  connectionLimit,
  groupId,
  hardenProcess,
  type ReadCredentials,
} from './process/hardening.ts'
import { collectWhenIdle } from './process/idle-memory.ts'
import {
  prepareSocketLocation,
  removeSocket,
  type SocketLocation,
  shareSocket,
} from './process/socket-location.ts'
import {
  ConnectionTable,
  type Crowd,
  REQUEST_TIMEOUT_MS,
  RotatingKeyPair,
  type RunningServer,
  startServer,
} from './server.ts'
import { shutDown } from './shutdown.ts'

/** Where the launcher reads our report, and the pipe that closes when the launcher ends. */
const REPORT_FD = 3
const PARENT_PIPE_FD = 4

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
  const { log, last } = openLog(options)
  // A daemon has no stderr: a bug that ends it would leave no trace.
  process.on('uncaughtExceptionMonitor', (error) => {
    last.warn(`ended by a bug: ${whereThrown(error)}`)
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
  // Before the directory is made: if the group does not exist, no directory is left behind.
  const gid = groupOf(options, readCredentials)
  const location = await socketLocation(options, uid)
  const listen = socketListener(log)
  const context = createAgent({
    // The real path: the state of a login contains it.
    options: { ...options, socketPath: location.path },
    runtime: systemRuntime,
    log,
    provider: createOpenIdProvider({ extraCaFiles: extraCaFiles(), env: process.env }),
    derive: deriveInThread(join(dirname(process.argv[1] ?? ''), 'argon2-worker.cjs')),
    configDirectory: () => fileAnswer('config directory', () => findConfigDirectory(process.env)),
    env: process.env,
    listenShared: (path, share, agent) =>
      listen(path, agent, (socket) => {
        const pid = readCredentials?.(socket)?.pid ?? 0
        return { role: 'shared', share, pid }
      }),
  })
  const server = await listen(location.path, context, (socket) =>
    mainSocketPeer(readCredentials?.(socket), { uid, gid }),
  )
  try {
    if (gid !== undefined) shareSocket(location, gid)
    await openRestrictedSocket(options, context)
    if (options.pidFile !== undefined) writePidFile(options.pidFile)
    log.debug(`listening on ${location.path}`)
    // The handlers come before the report of our pid: no signal must arrive without a handler.
    const end = endRequested(options)
    // If the launcher was killed in between, no client can find this agent: it ends.
    if (report({ socket: location.path, pid: process.pid })) await end
    log.debug('ending')
  } finally {
    await server.close()
    removeSocket(location)
    await shutDown(context)
  }
  if (options.pidFile !== undefined) rmSync(options.pidFile, { force: true })
}

type PeerOf = (socket: Socket) => Peer | undefined
type Listen = (path: string, context: AgentContext, peerOf: PeerOf) => Promise<RunningServer>

/** Starts the servers of all sockets of the agent, which have their limits in common. */
function socketListener(log: Log): Listen {
  const keys = new RotatingKeyPair(newKeyPair, systemRuntime.now)
  const connections = new ConnectionTable(connectionLimit(), noRoom(log))
  const inUse = collectWhenIdle()
  return async (path, context, peerOf) => {
    // The umask sets the mode of the socket when it is bound: it never has another mode. It is bound before
    // startServer returns.
    process.umask(0o177)
    const started = startServer(path, {
      // libsodium is loaded for the first sealed client: our own clients do not need it.
      openChannel: async (key) => openSealedChannel(await loadSodium(), key, keys.get()),
      answer: (request, peer, signal) => {
        inUse()
        return dispatch(request, peer, context, signal)
      },
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      peerOf,
      connections,
      log,
    })
    process.umask(0o077)
    return started
  }
}

async function openRestrictedSocket(
  { restrictedSocket }: AgentOptions,
  { restrictedSockets }: AgentContext,
): Promise<void> {
  if (restrictedSocket === undefined) return
  const { path, allow } = restrictedSocket
  await restrictedSockets.open(path, allow.map(parseCeiling), 0)
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

/** How often the log says that connections have run short, milliseconds. */
const NO_ROOM_PAUSE_MS = 60_000

/** Says what is short: to the client that has to go, and in the log, for whoever can change it. */
function noRoom(log: Log): (crowd: Crowd) => AgentError {
  let loggedAt = Number.NEGATIVE_INFINITY
  return ({ limit, pid, held }) => {
    if (performance.now() - loggedAt > NO_ROOM_PAUSE_MS) {
      loggedAt = performance.now()
      const holder = pid === 0 ? '' : `, ${held} of them of the process ${pid}`
      log.warn(
        `no room for another connection: there are ${limit}${holder}; ulimit -n at the agent's start sets how many there can be`,
      )
    }
    return new AgentError('agent-busy', 'the agent has no room for another connection', {
      hint: 'Try again. Programs that hold connections without a request are the usual reason; ulimit -n raises the number of connections.',
    })
  }
}

function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`)
  } catch (error) {
    throw unwritable(path, error)
  }
}

/** Node applies NODE_EXTRA_CA_CERTS to its own connections only; grid sites name their CAs in it. */
function extraCaFiles(): readonly string[] {
  const file = process.env['NODE_EXTRA_CA_CERTS']
  return file === undefined || file === '' ? [] : [file]
}

/** Resolves when the agent is to end: on a signal, or when `oidc-agent COMMAND` has ended. */
function endRequested(options: AgentOptions): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
    // The terminal of the shell that started the agent is gone; the agent stays for other shells.
    process.on('SIGHUP', () => undefined)
    if (options.parentPipe) {
      // The read of a file stream would block a thread, and so our end, until the launcher ends.
      const parentPipe = new Socket({ fd: PARENT_PIPE_FD })
      parentPipe.on('error', resolve).on('close', resolve).unref().resume()
    }
  })
}

/** False if the launcher is gone. True also without a launcher, as when started by hand. */
function report(content: DaemonReport): boolean {
  try {
    writeSync(REPORT_FD, `${JSON.stringify(content)}\n`)
    closeSync(REPORT_FD)
    return true
  } catch (error) {
    return systemCode(error) !== 'EPIPE'
  }
}

interface DaemonLog {
  readonly log: Log
  /** The same log for a last line: it is written before the process ends. */
  readonly last: Log
}

function openLog({ logStderr, console, debug }: AgentOptions): DaemonLog {
  if (logStderr || console) {
    const log = createLog((line) => void process.stderr.write(line), debug)
    return { log, last: log }
  }
  const file = new LogFile(logDirectory(process.env))
  return { log: createLog(file.write, debug), last: createLog(file.writeNow, debug) }
}
