import type { Environment } from '../protocol/wire/agent-options.ts'
import { AgentError, errorCodes } from '../protocol/wire/errors.ts'
import { visibleText } from '../protocol/wire/text.ts'
import { VERSION } from '../protocol/wire/version.ts'
import { type Arguments, type CommandSpec, parseArgv } from './arguments.ts'
import { isNonInteractive } from './non-interactive.ts'
import type { Options } from './option.ts'

/** Where a command writes: stdout is data, stderr is for the person. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
}

/** The world a command runs in; `process-io.ts` makes the real one. */
export interface Io {
  /** Without the program's own name. */
  readonly argv: readonly string[]
  readonly env: Environment
  readonly uid: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly stdout: Output
  readonly stderr: Output
}

/** How a process ends: with a status, or by a signal. */
export type ExitOutcome = number | NodeJS.Signals

/** What a command does once its command line is understood. The status it gives is 0 unless it says another. */
export type Main<O extends Options> = (
  args: Arguments<O>,
  io: Io,
) => Promise<ExitOutcome | undefined> | Promise<void>

/**
 * Runs a command and gives how it is to end: the one place where an error becomes output. Errors of
 * ours are shown as `Error: …` with their hint below, as the C tools do; how the command was called
 * as argp does.
 */
export async function run<O extends Options>(
  spec: CommandSpec<O>,
  main: Main<O>,
  io: Io,
): Promise<ExitOutcome> {
  let nonInteractive = isNonInteractive(io.env)
  try {
    const parsed = parseArgv(spec, io.argv)
    nonInteractive ||= parsed.kind === 'run' && saysNonInteractive(parsed.args.options)
    if (parsed.kind === 'run') return (await main(parsed.args, io)) ?? 0
    io.stdout.write(await textOf(parsed.kind, spec))
    return 0
  } catch (error) {
    io.stderr.write(errorText(error, spec.name, io))
    const code = error instanceof AgentError ? error.code : 'internal'
    if (nonInteractive) return errorCodes[code].withoutPerson
    // By the signal, so that a loop of a shell ends with us; the shell's `$?` is 130 as well.
    return code === 'cancelled' ? 'SIGINT' : errorCodes[code].exitStatus
  }
}

/** The launcher is told by an option what it tells others by the environment. */
function saysNonInteractive(options: Readonly<Record<string, unknown>>): boolean {
  return options['nonInteractive'] === true
}

async function textOf<O extends Options>(
  kind: 'help' | 'usage' | 'version',
  spec: CommandSpec<O>,
): Promise<string> {
  if (kind === 'version') return `${spec.name} ${VERSION}\n`
  const { helpText, usageText } = await import('./help.ts')
  return kind === 'help' ? helpText(spec) : usageText(spec)
}

function errorText(error: unknown, program: string, io: Io): string {
  if (!(error instanceof AgentError)) {
    return `${label(io)} internal error: ${visibleText(detailsOf(error, io))}\n`
  }
  const message = visibleText(error.message)
  if (error.code === 'usage') {
    const help =
      error.hint ?? `Try '${program} --help' or '${program} --usage' for more information.`
    return `${program}: ${message}\n${help}\n`
  }
  const { hint = '' } = error
  return `${label(io)} ${message}\n${hint === '' ? '' : `${visibleText(hint)}\n`}`
}

function label(io: Io): string {
  return hasColour(io) ? '\u001b[31mError:\u001b[0m' : 'Error:'
}

/** Whether stderr may be coloured (cli.md §0). */
export function hasColour({ env, stderr }: Pick<Io, 'env' | 'stderr'>): boolean {
  if (stderr.isTTY !== true) return false
  const ours = env['OIDC_AGENT_NOCOLOR']
  if (ours !== undefined && ours !== '') return ours.startsWith('0')
  return (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

function detailsOf(error: unknown, { env }: Io): string {
  if (!(error instanceof Error)) return String(error)
  return env['OIDC_AGENT_DEBUG'] === undefined ? error.message : (error.stack ?? error.message)
}

/** The world of this process. Streams are opened when they are first used: opening costs time. */
export function processIo(): Io {
  return {
    argv: process.argv.slice(2),
    env: process.env,
    uid: process.getuid?.() ?? 0,
    now: Date.now,
    get stdout() {
      return watched(process.stdout)
    },
    get stderr() {
      return watched(process.stderr)
    },
  }
}

/** Settles what `run` cannot catch: that what was written does not arrive. */
function watched(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  if (stream.listenerCount('error') === 0)
    stream.on('error', (error: NodeJS.ErrnoException) => reportLoss(error, stream))
  return stream
}

function reportLoss(error: NodeJS.ErrnoException, stream: NodeJS.WriteStream): void {
  // The reader has seen enough: `oidc-add -l | head -1`.
  if (error.code === 'EPIPE') return
  process.exitCode = 1
  // Where stderr is what failed, there is nowhere left to say it.
  if (stream === process.stderr) return
  watched(process.stderr).write(`Error: output lost: ${error.message}\n`)
}

/** Lets this process end once all it wrote has gone out. */
export function exitWith(ending: ExitOutcome): void {
  if (typeof ending === 'number') process.exitCode ??= ending
  else process.once('exit', () => process.kill(process.pid, ending))
}
