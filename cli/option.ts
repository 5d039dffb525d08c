import { AgentError } from '../protocol/wire/errors.ts'

/**
 * One option of a command, declared the way the help shows it: `-a, --socket-path=PATH`. `V` is the
 * type of its value; an option not given has the value `absent`.
 */
export interface Option<V> {
  /** Single letters, without the dash. */
  readonly shorts: readonly string[]
  /** Long names, without the dashes: the one shown first, then its aliases. */
  readonly longs: readonly string[]
  readonly argument: 'none' | 'required' | 'optional'
  /** What stands for the argument in the help: `PATH`. */
  readonly placeholder: string
  readonly help: string
  readonly absent: V
  /** The value after one more occurrence; `raw` is undefined where no argument came with it. */
  take(raw: string | undefined, before: V): V
}

/** The options of a command by the names its code uses. */
export type Options = Readonly<Record<string, Option<unknown>>>

/** What the options of a command were found to be. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends Option<infer V> ? V : never
}

/** An option without argument: true where given. */
export function flag(spelling: string, help: string): Option<boolean> {
  return { ...declared(spelling, help), absent: false, take: () => true }
}

/** An option with a text argument; the last one given counts. */
export function text(spelling: string, help: string): Option<string | undefined> {
  return { ...declared(spelling, help), absent: undefined, take: (raw) => raw }
}

/** An option with a text argument that may be given more than once; all count, in order. */
export function texts(spelling: string, help: string): Option<readonly string[]> {
  return {
    ...declared(spelling, help),
    absent: [],
    take: (raw, before) => (raw === undefined ? before : [...before, raw]),
  }
}

/** An option whose argument may be left out: true where given without. */
export function optionalText(spelling: string, help: string): Option<string | true | undefined> {
  return { ...declared(spelling, help), absent: undefined, take: (raw) => raw ?? true }
}

/** An option with a whole number of 0 or more; the last one given counts. */
export function wholeNumber(spelling: string, help: string): Option<number | undefined> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: undefined,
    take: (raw) => (raw === undefined ? undefined : numberOf(raw, option)),
  }
}

/** As {@link wholeNumber}, all of them counting. */
export function wholeNumbers(spelling: string, help: string): Option<readonly number[]> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: [],
    take: (raw, before) => (raw === undefined ? before : [...before, numberOf(raw, option)]),
  }
}

/** An option whose number may be left out: true where given without. */
export function optionalNumber(spelling: string, help: string): Option<number | true | undefined> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: undefined,
    take: (raw) => (raw === undefined ? true : numberOf(raw, option)),
  }
}

/** An option whose argument is one of `choices`; the last one given counts. */
export function choice<C extends string>(
  spelling: string,
  choices: readonly C[],
  help: string,
): Option<C | undefined> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: undefined,
    take: (raw) => (raw === undefined ? undefined : chosen(raw, choices, option)),
  }
}

/** As {@link choice}, all of them counting, in order. */
export function choices<C extends string>(
  spelling: string,
  allowed: readonly C[],
  help: string,
): Option<readonly C[]> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: [],
    take: (raw, before) => (raw === undefined ? before : [...before, chosen(raw, allowed, option)]),
  }
}

type Declared = Omit<Option<unknown>, 'absent' | 'take'>

/** Reads `-o, --token, --alias[=NAME]`. */
function declared(spelling: string, help: string): Declared {
  const [names = '', optional, required] = spelling.split(/\[=(.*)\]$|=(.*)$/)
  const all = names.split(', ')
  return {
    shorts: all.filter((name) => !name.startsWith('--')).map((name) => name.slice(1)),
    longs: all.filter((name) => name.startsWith('--')).map((name) => name.slice(2)),
    argument: optional !== undefined ? 'optional' : required !== undefined ? 'required' : 'none',
    placeholder: optional ?? required ?? '',
    help,
  }
}

function numberOf(raw: string, option: Declared): number {
  const value = Number(raw)
  if (!/^\d+$/.test(raw) || !Number.isSafeInteger(value)) {
    throw new AgentError('usage', `${shownName(option)}: '${raw}' is not a whole number`)
  }
  return value
}

function chosen<C extends string>(raw: string, allowed: readonly C[], option: Declared): C {
  const found = allowed.find((one) => one === raw)
  if (found !== undefined) return found
  throw new AgentError('usage', `${shownName(option)}: '${raw}' is none of ${allowed.join(', ')}`)
}

/** The option as a message names it: `--time`, or `-k` where it has no long name. */
export function shownName(option: Pick<Declared, 'longs' | 'shorts'>): string {
  const [long] = option.longs
  return long === undefined ? `-${option.shorts[0] ?? ''}` : `--${long}`
}
