import { Command, Option as CommanderOption } from 'commander'
import { AgentError } from '../protocol/errors.ts'
import { VERSION } from '../protocol/version.ts'
import { readGnuArgv } from './gnu-argv.ts'
import { flag, type Options, type Values } from './option.ts'
import { helpText, usageText } from './usage.ts'

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

/** A command line that was understood: either something to do or a text to show instead. */
export type Parsed<O extends Options> =
  | { readonly kind: 'run'; readonly args: Arguments<O> }
  | { readonly kind: 'show'; readonly text: string }

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

const askedToShow: ReadonlySet<string> = new Set(Object.keys(helpOptions))

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
    { stopAtOperand: spec.stopAtOperand ?? false, last: askedToShow },
  )
  const last = occurrences.at(-1)?.key
  if (last === 'help') return { kind: 'show', text: helpText(spec, helpOptions) }
  if (last === 'usage') return { kind: 'show', text: usageText(spec, helpOptions) }
  if (last === 'version') return { kind: 'show', text: `${spec.name} ${VERSION}\n` }

  const words = occurrences.map(({ key, raw }) => `--${key}${raw === undefined ? '' : `=${raw}`}`)
  const command = commandOf(spec.options)
  command.parseOptions(words)
  if (operands.length < spec.operands.min)
    throw usageError(`missing argument: ${spec.operands.label}`)
  const extra = operands[spec.operands.max]
  if (extra !== undefined) throw usageError(`unexpected argument '${extra}'`)
  return { kind: 'run', args: { options: command.opts<Values<O>>(), operands } }
}

/** An error in how the command was called: message, where to find help, status 64. */
export function usageError(message: string): AgentError {
  return new AgentError('usage', message)
}

/** The commander command that knows each option by its key alone: spelling is settled before. */
function commandOf(options: Options): Command {
  const argument = { none: '', required: ' <x>', optional: ' [x]' }
  const command = new Command().exitOverride().helpOption(false)
  for (const [key, option] of Object.entries(options)) {
    command.addOption(
      new CommanderOption(`--${key}${argument[option.argument]}`)
        .default(option.absent)
        .argParser((raw, before) => option.take(raw, before)),
    )
  }
  return command
}
