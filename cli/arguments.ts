import { AgentError } from '../protocol/wire/errors.ts'
import { flag, type Option, type Options, shownName, type Values } from './option.ts'

/** The command line of a command: its options and operands. */
export interface CommandSpec<O extends Options> {
  /** As it is typed: `oidc-token`. */
  readonly name: string
  /** What the command does, for its help. */
  readonly summary: string
  readonly options: O
  readonly operands: {
    /** Their names in the usage line: `ACCOUNT | https://ISSUER`. */
    readonly label: string
    readonly min: number
    readonly max: number
  }
  /** Headings in the help, each by the option that follows it. */
  readonly headings?: { readonly [K in keyof O]?: string }
  /** True: the first operand ends the options (`oidc-agent COMMAND ARGS…`). */
  readonly stopAtOperand?: boolean
}

/** A valid command line: arguments to run the command with, or a help text to print. */
export type Parsed<O extends Options> =
  | { readonly kind: 'run'; readonly args: Arguments<O> }
  | { readonly kind: keyof typeof helpOptions }

export interface Arguments<O extends Options> {
  readonly options: Values<O>
  readonly operands: readonly string[]
}

/** The options that every command has. */
export const helpOptions = {
  help: flag('-?, --help, -h', 'Give this help list'),
  usage: flag('--usage', 'Give a short usage message'),
  version: flag('-V, --version', 'Print program version'),
}

const helpKeys: ReadonlySet<string> = new Set(Object.keys(helpOptions))

/**
 * Parses a command line by the rules of GNU argp, which scripts around oidc-agent rely on. `argv` is without
 * the name of the program.
 * @throws AgentError `usage`
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

/** The error of a wrong command line: exit status 64, and by default a hint at `--help`. */
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
  // Each value has the type of its own option, which the compiler cannot infer in a loop.
  return values as Values<O>
}

/** One occurrence of an option on the command line. */
export interface Occurrence {
  /** The option's key in its command's {@link Options}. */
  readonly key: string
  /** Its argument, if it has one. */
  readonly raw: string | undefined
}

/** A command line, split by the rules of GNU argp. */
export interface GnuArgv {
  readonly occurrences: readonly Occurrence[]
  readonly operands: readonly string[]
}

/**
 * Splits a command line as GNU argp does: options and operands may mix, an optional argument must be
 * attached, long names may be abbreviated while they are unambiguous, short ones may be clustered, `--` ends
 * the options. With `stopAtOperand` the first operand ends them, too. Parsing ends at an option whose key is
 * in `last`: the words after `--help` do not matter.
 * @throws AgentError `usage`
 */
function readGnuArgv(
  argv: readonly string[],
  options: Options,
  rules: { readonly stopAtOperand: boolean; readonly last: ReadonlySet<string> },
): GnuArgv {
  const occurrences: Occurrence[] = []
  const operands: string[] = []
  const rest = [...argv]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') return { occurrences, operands: [...operands, ...rest] }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word)
      if (rules.stopAtOperand) return { occurrences, operands: [...operands, ...rest] }
      continue
    }
    const found = word.startsWith('--')
      ? [longOption(word.slice(2), rest, options)]
      : shortOptions(word.slice(1), rest, options)
    occurrences.push(...found)
    if (found.some(({ key }) => rules.last.has(key))) break
  }
  return { occurrences, operands }
}

function longOption(word: string, rest: string[], options: Options): Occurrence {
  const equals = word.indexOf('=')
  const name = equals === -1 ? word : word.slice(0, equals)
  const attached = equals === -1 ? undefined : word.slice(equals + 1)
  const [key, option] = namedOption(name, options)
  if (option.argument === 'none' && attached !== undefined) {
    throw usageError(`option '${shownName(option)}' doesn't allow an argument`)
  }
  if (option.argument !== 'required' || attached !== undefined) return { key, raw: attached }
  const next = rest.shift()
  if (next === undefined) throw usageError(`option '${shownName(option)}' requires an argument`)
  return { key, raw: next }
}

function namedOption(name: string, options: Options): readonly [string, Option<unknown>] {
  const entries = Object.entries(options)
  const exact = entries.find(([, option]) => option.longs.includes(name))
  if (exact !== undefined) return exact
  const candidates = entries.filter(([, { longs }]) => longs.some((long) => long.startsWith(name)))
  const [only] = candidates
  if (only === undefined || name === '') throw usageError(`unrecognized option '--${name}'`)
  if (candidates.length === 1) return only
  const names = candidates.flatMap(([, { longs }]) => longs.filter((long) => long.startsWith(name)))
  const list = names.map((long) => `'--${long}'`).join(' ')
  throw usageError(`option '--${name}' is ambiguous; possibilities: ${list}`)
}

/** A word such as `-oie` or `-t60`: letters up to the first that has an argument. */
function shortOptions(word: string, rest: string[], options: Options): Occurrence[] {
  const occurrences: Occurrence[] = []
  for (let at = 0; at < word.length; at++) {
    const letter = word.charAt(at)
    const found = Object.entries(options).find(([, { shorts }]) => shorts.includes(letter))
    if (found === undefined) throw usageError(`invalid option -- '${letter}'`)
    const [key, option] = found
    if (option.argument === 'none') {
      occurrences.push({ key, raw: undefined })
      continue
    }
    const attached = at + 1 < word.length ? word.slice(at + 1) : undefined
    const raw = attached ?? (option.argument === 'required' ? rest.shift() : undefined)
    if (raw === undefined && option.argument === 'required') {
      throw usageError(`option requires an argument -- '${letter}'`)
    }
    return [...occurrences, { key, raw }]
  }
  return occurrences
}
