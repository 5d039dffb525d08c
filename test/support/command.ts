import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** A command that has ended, and what it said. */
export interface Finished {
  /** As a person would type it. */
  readonly line: string
  readonly stdout: string
  readonly stderr: string
  /** Null where a signal ended it. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

export interface CommandOptions {
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  /** What it reads; closed at once where absent. */
  readonly input?: string
  /** Runs it as this user; only root can. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Killed after so long: a command that hangs is a failure, not a stuck test. */
  readonly timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 60_000

/** A command that runs. */
export interface Started {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
}

/** Starts a command; `finished` resolves when it has ended and its outputs are closed. */
export function startCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Started {
  const line = [command, ...args].join(' ')
  const child = spawn(command, args, {
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    // A session of its own: no terminal to ask questions on, whoever runs the tests.
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  })
  const stdout = kept(child.stdout)
  const stderr = kept(child.stderr)
  // A command that never reads its input may be gone before it is written.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const finish = async (): Promise<Finished> => {
    const timer = setTimeout(() => killGroup(child), timeoutMs)
    const startedAt = performance.now()
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    clearTimeout(timer)
    const finished = { line, stdout: stdout(), stderr: stderr(), status, signal }
    if (performance.now() - startedAt < timeoutMs) return finished
    throw new Error(`killed after ${timeoutMs} ms:\n${shown(finished)}`)
  }
  return { child, finished: finish() }
}

export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Finished> {
  return startCommand(command, args, options).finished
}

/** The command and its outputs as they stand in a test report. */
export function shown({ line, stdout, stderr, status, signal }: Finished): string {
  const parts = [
    `$ ${line}`,
    stdout.trimEnd(),
    stderr.trimEnd(),
    `(${signal ?? `status ${status ?? '?'}`})`,
  ]
  return parts.filter((part) => part !== '').join('\n')
}

/**
 * The standard output of a command that had to succeed.
 * @throws Error with the whole transcript where it did not.
 */
export function outputOf(finished: Finished): string {
  if (finished.status === 0) return finished.stdout
  throw new Error(`a command failed that should not:\n${shown(finished)}`)
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL')
}

function kept(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}
