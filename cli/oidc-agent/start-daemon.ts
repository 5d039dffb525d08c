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

/** An agent may be storing a last refresh token; after this it is left to end by itself. */
const END_TIMEOUT_MS = 5_000

const REPORT_FD = 3
const PARENT_PIPE_FD = 4

/** A daemon whose socket accepts. */
export interface Daemon {
  readonly socket: string
  readonly pid: number
  readonly process: ChildProcess
}

/**
 * Starts the daemon and waits until it can be used. It reports on its file descriptor 3; file
 * descriptor 4, if asked for, tells it by its end that we are gone.
 * @throws AgentError as the daemon reports it; `agent-timeout`; `internal`.
 */
export async function startDaemon(
  options: AgentOptions,
  host: Host,
  env: Environment,
): Promise<Daemon> {
  refuseDebugger(host, env)
  const output = options.console ? 'inherit' : 'ignore'
  const child = spawn(host.execPath, [host.daemon, JSON.stringify(options)], {
    env,
    // A daemon keeps no file system busy and gets no signal of this terminal.
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

/** Ends a daemon started with a parent pipe, and waits until it is gone. */
export async function endDaemon({ process: child }: Daemon): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.stdio[PARENT_PIPE_FD]?.destroy()
  await Promise.race([ended, pause(END_TIMEOUT_MS, undefined, { ref: false })])
  child.unref()
}

/** A debugger could read every secret of the agent, and Node's listens on a TCP port anyone may connect to. */
function refuseDebugger({ execArgv }: Host, env: Environment): void {
  const fromOptions = /(^|[\s"])--(inspect|debug)/.test(env['NODE_OPTIONS'] ?? '')
  if (!fromOptions && !execArgv.some((word) => /^--(inspect|debug)/.test(word))) return
  const where = fromOptions ? 'NODE_OPTIONS' : 'the command line of node'
  throw new AgentError(
    'operation-forbidden',
    `${where} opens Node's debugger (--inspect): an agent that can be debugged keeps no secret`,
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

/** What the launcher has to know of the process it is. */
export interface Host {
  /** The node that runs us. */
  readonly execPath: string
  /** Options given to it before the script. */
  readonly execArgv: readonly string[]
  /** The script of the daemon. */
  readonly daemon: string
  /** Milliseconds it has to bind its socket. */
  readonly startTimeoutMs: number
  readonly parentPid: number
  readonly directory: string
}

/** It takes some 200 ms; a machine under load gets the rest. */
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
