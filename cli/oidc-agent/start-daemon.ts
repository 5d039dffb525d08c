import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { addAbortSignal, Readable } from 'node:stream'
import { text as collect } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { AgentOptions, DaemonReport, Environment } from '../../protocol/wire/agent-options.ts'
import { AgentError, isErrorCode } from '../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import type { JsonValue } from '../../protocol/wire/messages.ts'

/** An agent may still be saving a refresh token. After this time it is not waited for. */
const END_TIMEOUT_MS = 5_000

/**
 * Options of Node.js that keep the daemon small. V8 lets its heap grow to several times of what is in use,
 * for which the agent's small requests have no use: 35 MB after some thousand requests.
 */
const memoryOptions: readonly string[] = [
  '--max-semi-space-size=1',
  '--initial-old-space-size=4',
  '--heap-growing-percent=40',
  // An agent that only loads accounts does without the optimizing compiler, 4 MB of code. Later versions
  // of V8 do not have this option, and wait longer by themselves.
  ...(process.versions.node.startsWith('20.') ? ['--interrupt-budget=300000'] : []),
  // For the collection of garbage when the agent is idle.
  '--expose-gc',
]

const REPORT_FD = 3
const PARENT_PIPE_FD = 4

/** A daemon whose socket accepts connections. */
export interface Daemon {
  readonly socket: string
  readonly pid: number
  readonly process: ChildProcess
}

/**
 * Starts the daemon and waits until its socket accepts connections. The daemon reports on its file
 * descriptor 3. File descriptor 4, with `parentPipe`, is closed when this process ends.
 * @throws AgentError as the daemon reports it; `agent-timeout`; `internal`
 */
export async function startDaemon(
  options: AgentOptions,
  host: Host,
  env: Environment,
): Promise<Daemon> {
  refuseDebugger(host, env)
  const output = options.console ? 'inherit' : 'ignore'
  const child = spawn(host.execPath, [...memoryOptions, host.daemon, JSON.stringify(options)], {
    // glibc keeps an arena for each of Node's threads.
    env: { MALLOC_ARENA_MAX: '1', ...env },
    // A daemon must not keep a file system busy, and gets no signals of this terminal.
    cwd: options.console ? host.directory : '/',
    detached: !options.console,
    stdio: [
      'ignore',
      output,
      options.console || options.logStderr ? 'inherit' : 'ignore',
      'pipe',
      ...(options.parentPipe ? ['pipe' as const] : []),
    ],
  })
  const report = await reportOf(child, host.startTimeoutMs)
  if ('error' in report) {
    const code = isErrorCode(report.code) ? report.code : 'internal'
    throw new AgentError(code, report.error, { hint: report.hint })
  }
  return { ...report, process: child }
}

/** Ends a daemon that was started with `parentPipe`, and waits until its process has ended. */
export async function endDaemon({ process: child }: Daemon): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.stdio[PARENT_PIPE_FD]?.destroy()
  await Promise.race([ended, pause(END_TIMEOUT_MS, undefined, { ref: false })])
  child.unref()
}

/** A debugger can read all secrets of the agent, and Node's listens on a TCP port open to all users. */
function refuseDebugger({ execArgv }: Host, env: Environment): void {
  const fromOptions = /(^|[\s"])--(inspect|debug)/.test(env['NODE_OPTIONS'] ?? '')
  if (!fromOptions && !execArgv.some((word) => /^--(inspect|debug)/.test(word))) return
  const where = fromOptions ? 'NODE_OPTIONS' : 'the command line of node'
  throw new AgentError(
    'operation-forbidden',
    `${where} opens Node's debugger (--inspect), which could read the agent's secrets`,
    { hint: `Remove --inspect from ${where}.` },
  )
}

async function reportOf(child: ChildProcess, timeoutMs: number): Promise<DaemonReport> {
  const pipe = child.stdio[REPORT_FD]
  if (!(pipe instanceof Readable)) throw new Error('no pipe to the daemon')
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  try {
    const text = await Promise.race([collect(addAbortSignal(late.signal, pipe)), failed])
    return parseReport(text)
  } catch (cause) {
    child.kill('SIGKILL')
    if (!late.signal.aborted) throw cause
    const message = `the agent did not start within ${timeoutMs / 1000} s`
    throw new AgentError('agent-timeout', message, { cause })
  } finally {
    clearTimeout(timer)
  }
}

function parseReport(text: string): DaemonReport {
  const report = text === '' ? undefined : parseTolerantJson(text)
  if (!isJsonObject(report)) {
    const hint = 'Run oidc-agent -d to see why.'
    throw new AgentError('internal', 'the agent ended while it was starting', { hint })
  }
  const { socket, pid, error, code, hint } = report
  if (typeof socket === 'string' && typeof pid === 'number') return { socket, pid }
  return {
    error: textOr('unknown error', error),
    code: textOr('internal', code),
    hint: textOr('', hint),
  }
}

function textOr(fallback: string, value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : fallback
}

/** The launcher's own process. */
export interface Host {
  /** The Node.js executable. */
  readonly execPath: string
  /** Options of Node.js, given before the script. */
  readonly execArgv: readonly string[]
  /** The script of the daemon. */
  readonly daemon: string
  /** Milliseconds until the daemon must have reported. */
  readonly startTimeoutMs: number
  readonly parentPid: number
  readonly directory: string
}

/** A start takes some 200 ms, and longer on a machine under load. */
const START_TIMEOUT_MS = 30_000

export function thisHost(): Host {
  return {
    execPath: process.execPath,
    execArgv: process.execArgv,
    daemon: join(dirname(realpathSync(process.argv[1] ?? '')), '..', 'agent.cjs'),
    startTimeoutMs: START_TIMEOUT_MS,
    parentPid: process.ppid,
    directory: process.cwd(),
  }
}
