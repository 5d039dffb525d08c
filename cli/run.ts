import { reportLongWaits } from '../protocol/client/call.ts'
import { hideMemory } from '../protocol/process/memory.ts'
import type { Environment } from '../protocol/wire/agent-options.ts'
import { AgentError, errorCodes } from '../protocol/wire/errors.ts'
import { sanitize } from '../protocol/wire/text.ts'
import { VERSION } from '../protocol/wire/version.ts'
import { type Arguments, type CommandSpec, parseArgv } from './arguments.ts'
import type { Options } from './option.ts'

/** Where a command writes. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
}

/**
 * The stderr of a command. People read it, and much of what is written comes from providers and other
 * agents: `write` sanitizes by the policy `terminal`.
 */
export interface SanitizedOutput extends Output {
  /** Writes without sanitizing: for colours, whose escape sequences are ours. */
  writeRaw(text: string): unknown
}

/** What a command takes from outside; {@link processIo} makes the real one. */
export interface Io {
  /** Without the program's own name. */
  readonly argv: readonly string[]
  readonly env: Environment
  readonly uid: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Protects the memory of this process. To be called before a secret is read, see {@link hideMemory}. */
  readonly hideMemory: () => void
  /** Data for scripts. A command that prints foreign text here sanitizes it itself. */
  readonly stdout: Output
  /** Messages for a person. */
  readonly stderr: SanitizedOutput
}

/** How a process ends: with a status, or by a signal. */
export type ExitOutcome = number | NodeJS.Signals

/** What a command does after its command line is parsed. `undefined` is exit status 0. */
export type Main<O extends Options> = (
  args: Arguments<O>,
  io: Io,
) => Promise<ExitOutcome | undefined> | Promise<void>

/**
 * Runs a command and returns how the process has to end. This is the one place where an error becomes
 * output: an AgentError is shown as `Error: …` with its hint below, as by the C tools; a usage error as
 * by argp.
 */
export async function run<O extends Options>(
  spec: CommandSpec<O>,
  main: Main<O>,
  io: Io,
): Promise<ExitOutcome> {
  let nonInteractive = isNonInteractive(io.env)
  reportLongWaits((line) => {
    if (io.stderr.isTTY === true) io.stderr.write(`${line}\n`)
  })
  try {
    const parsed = parseArgv(spec, io.argv)
    nonInteractive ||= parsed.kind === 'run' && hasNonInteractive(parsed.args.options)
    if (parsed.kind === 'run') return (await main(parsed.args, io)) ?? 0
    io.stdout.write(await textOf(parsed.kind, spec))
    return 0
  } catch (error) {
    io.stderr.writeRaw(errorText(error, spec.name, io))
    const code = error instanceof AgentError ? error.code : 'internal'
    if (nonInteractive) return errorCodes[code].withoutPerson
    // By the signal, so that a shell ends its loop too; its `$?` is 130 as well.
    return code === 'cancelled' ? 'SIGINT' : errorCodes[code].exitStatus
  }
}

/** `oidc-agent --non-interactive`; other commands find it in their environment. */
function hasNonInteractive(options: Readonly<Record<string, unknown>>): boolean {
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

/** Message and hint of an error, sanitized. */
function errorText(error: unknown, program: string, io: Io): string {
  if (!(error instanceof AgentError)) {
    return `${label(io)} internal error: ${sanitize(detailsOf(error, io), 'terminal')}\n`
  }
  const message = sanitize(error.message, 'terminal')
  const hint = sanitize(error.hint ?? '', 'terminal')
  if (error.code === 'usage') {
    const help = `Try '${program} --help' or '${program} --usage' for more information.`
    return `${program}: ${message}\n${hint === '' ? help : hint}\n`
  }
  return `${label(io)} ${message}\n${hint === '' ? '' : `${hint}\n`}`
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

/** The {@link Io} of this process. Each stream is opened when it is first used: opening costs time. */
export function processIo(): Io {
  return {
    argv: process.argv.slice(2),
    env: process.env,
    uid: process.getuid?.() ?? 0,
    now: Date.now,
    hideMemory,
    get stdout() {
      return watched(process.stdout)
    },
    stderr: sanitized(() => watched(process.stderr)),
  }
}

/** An output that sanitizes what it writes to the one that `open` returns. */
export function sanitized(open: () => Output): SanitizedOutput {
  return {
    get isTTY() {
      return open().isTTY
    },
    write: (text) => open().write(sanitize(text, 'terminal')),
    writeRaw: (text) => open().write(text),
  }
}

/** A stream whose failures are reported: they come later than `run` could catch them. */
function watched(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  if (stream.listenerCount('error') === 0)
    stream.on('error', (error: NodeJS.ErrnoException) => reportLoss(error, stream))
  return stream
}

function reportLoss(error: NodeJS.ErrnoException, stream: NodeJS.WriteStream): void {
  // The reader has closed the pipe: `oidc-add -l | head -1`.
  if (error.code === 'EPIPE') return
  process.exitCode = 1
  // If stderr itself has failed, there is no other place for the message.
  if (stream === process.stderr) return
  watched(process.stderr).write(`Error: output lost: ${error.message}\n`)
}

/** Lets this process end as `outcome` says, after all its output is written. */
export function exitWith(outcome: ExitOutcome): void {
  if (typeof outcome === 'number') process.exitCode ??= outcome
  else process.once('exit', () => process.kill(process.pid, outcome))
}

/** Set by `oidc-agent --non-interactive`: there is no person to answer a question or to see a browser. */
export const NON_INTERACTIVE = 'OIDC_AGENT_NON_INTERACTIVE'

/** Whether commands must do without a person. */
export function isNonInteractive(env: Environment): boolean {
  const value = env[NON_INTERACTIVE] ?? ''
  return value !== '' && value !== '0'
}
