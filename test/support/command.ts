import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** A command that has ended, and its outputs. */
export interface Finished {
  /** The command line. */
  readonly line: string
  readonly stdout: string
  readonly stderr: string
  /** Null if a signal ended it. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

export interface CommandOptions {
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Its standard input; empty by default. */
  readonly input?: string
  /** The user it runs as; requires root. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Killed after this time: a command that hangs fails the test instead of blocking it. */
  readonly timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 60_000

/** A running command. */
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
    // A session of its own, so that there is no terminal to ask questions on.
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  })
  const stdout = kept(child.stdout)
  const stderr = kept(child.stderr)
  // A command that does not read its input may end before it is written.
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

/** The command and its outputs, as a terminal shows them, for a test report. */
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
 * The standard output of a command that must succeed.
 * @throws Error with the transcript if it failed.
 */
export function outputOf(finished: Finished): string {
  if (finished.status === 0) return finished.stdout
  throw new Error(`the command failed:\n${shown(finished)}`)
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL')
}

function kept(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}

/** A uid without an account, which has no permissions but those of all others. */
const OTHER_USER = { uid: 54_321, gid: 54_321 }

/**
 * Another user to run commands as; undefined if we are not root. An ordinary user is subject to
 * permissions anyway.
 */
export const secondUser: { readonly uid: number; readonly gid: number } | undefined = find()

function find(): typeof OTHER_USER | undefined {
  if (process.getuid?.() !== 0) return undefined
  // Our node may be in a home directory that the other user cannot enter.
  const probe = spawnSync(process.execPath, ['-e', '0'], { ...OTHER_USER, cwd: '/' })
  return probe.status === 0 ? OTHER_USER : undefined
}
