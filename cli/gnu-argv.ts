import { AgentError } from '../protocol/errors.ts'
import { type Option, type Options, shownName } from './option.ts'

/** One option found on the command line. */
export interface Occurrence {
  /** The option's key in its command's {@link Options}. */
  readonly key: string
  /** Its argument, where one came with it. */
  readonly raw: string | undefined
}

/** A command line taken apart by the rules of GNU argp. */
export interface GnuArgv {
  readonly occurrences: readonly Occurrence[]
  readonly operands: readonly string[]
}

/**
 * Takes a command line apart as GNU argp does: options and operands mix, an optional argument counts
 * only when attached, long names may be shortened while they stay unambiguous, short ones clustered,
 * `--` ends the options. With `stopAtOperand`, so does the first operand. Reading ends at an option
 * whose key is in `last`: what comes after `--help` does not matter.
 * @throws AgentError `usage`.
 */
export function readGnuArgv(
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
    throw usage(`option '${shownName(option)}' doesn't allow an argument`)
  }
  if (option.argument !== 'required' || attached !== undefined) return { key, raw: attached }
  const next = rest.shift()
  if (next === undefined) throw usage(`option '${shownName(option)}' requires an argument`)
  return { key, raw: next }
}

function namedOption(name: string, options: Options): readonly [string, Option<unknown>] {
  const entries = Object.entries(options)
  const exact = entries.find(([, option]) => option.longs.includes(name))
  if (exact !== undefined) return exact
  const candidates = entries.filter(([, { longs }]) => longs.some((long) => long.startsWith(name)))
  const [only] = candidates
  if (only === undefined || name === '') throw usage(`unrecognized option '--${name}'`)
  if (candidates.length === 1) return only
  const names = candidates.flatMap(([, { longs }]) => longs.filter((long) => long.startsWith(name)))
  const list = names.map((long) => `'--${long}'`).join(' ')
  throw usage(`option '--${name}' is ambiguous; possibilities: ${list}`)
}

/** A word like `-oie` or `-t60`: letters until one that takes an argument. */
function shortOptions(word: string, rest: string[], options: Options): Occurrence[] {
  const occurrences: Occurrence[] = []
  for (let at = 0; at < word.length; at++) {
    const letter = word.charAt(at)
    const found = Object.entries(options).find(([, { shorts }]) => shorts.includes(letter))
    if (found === undefined) throw usage(`invalid option -- '${letter}'`)
    const [key, option] = found
    if (option.argument === 'none') {
      occurrences.push({ key, raw: undefined })
      continue
    }
    const attached = at + 1 < word.length ? word.slice(at + 1) : undefined
    const raw = attached ?? (option.argument === 'required' ? rest.shift() : undefined)
    if (raw === undefined && option.argument === 'required') {
      throw usage(`option requires an argument -- '${letter}'`)
    }
    return [...occurrences, { key, raw }]
  }
  return occurrences
}

function usage(message: string): AgentError {
  return new AgentError('usage', message)
}
