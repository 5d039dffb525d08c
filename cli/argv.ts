import { AgentError } from '../protocol/errors.ts'
import { type Occurrence, readGnuArgv } from './gnu-argv.ts'
import { flag, type Options, type Values } from './option.ts'

/** What a command takes on its command line. */
export interface CommandSpec<O extends Options> {
  /** As it is typed: `oidc-token`. */
  readonly name: string
  /** What it does, in a sentence. */
  readonly summary: string
  readonly options: O
  readonly operands: {
    /** As the usage line shows them: `ACCOUNT | https://ISSUER`. */
    readonly label: string
    readonly min: number
    readonly max: number
  }
  /** Headings in the help, by the option each stands before. */
  readonly headings?: { readonly [K in keyof O]?: string }
  /** True: all after the first operand belongs to that operand (`oidc-agent COMMAND ARGS…`). */
  readonly stopAtOperand?: boolean
}

/** A command line that was understood: either something to do or something to show instead. */
export type Parsed<O extends Options> =
  | { readonly kind: 'run'; readonly args: Arguments<O> }
  | { readonly kind: keyof typeof helpOptions }

export interface Arguments<O extends Options> {
  readonly options: Values<O>
  readonly operands: readonly string[]
}

/** The options every command has. */
export const helpOptions = {
  help: flag('-?, --help, -h', 'Give this help list'),
  usage: flag('--usage', 'Give a short usage message'),
  version: flag('-V, --version', 'Print program version'),
}

const helpKeys: ReadonlySet<string> = new Set(Object.keys(helpOptions))

/**
 * Reads a command line by the rules of GNU argp, which scripts around oidc-agent rely on.
 * `argv` is without the program's own name.
 * @throws AgentError `usage`.
 */
export function parseArgv<O extends Options>(
  spec: CommandSpec<O>,
  argv: readonly string[],
): Parsed<O> {
  const { occurrences, operands } = readGnuArgv(
    argv,
    { ...spec.options, ...helpOptions },
    { stopAtOperand: spec.stopAtOperand ?? false, last: helpKeys },
  )
  const last = occurrences.at(-1)?.key
  if (last === 'help' || last === 'usage' || last === 'version') return { kind: last }
  const { label, min, max } = spec.operands
  if (operands.length < min) throw usageError(`missing argument: ${label}`)
  const extra = operands[max]
  if (extra !== undefined) throw usageError(`unexpected argument '${extra}'`)
  return { kind: 'run', args: { options: valuesOf(spec.options, occurrences), operands } }
}

/** An error in how the command was called: message, where to find help, status 64. */
export function usageError(message: string): AgentError {
  return new AgentError('usage', message)
}

function valuesOf<O extends Options>(options: O, occurrences: readonly Occurrence[]): Values<O> {
  const values: Record<string, unknown> = {}
  for (const [key, option] of Object.entries(options)) {
    values[key] = occurrences
      .filter((occurrence) => occurrence.key === key)
      .reduce((before, { raw }) => option.take(raw, before), option.absent)
  }
  // Each value comes from its own option, which the compiler cannot follow through a loop.
  return values as Values<O>
}
