import { AgentError } from '../protocol/wire/errors.ts'

/**
 * One option of a command, declared as the help shows it: `-a, --socket-path=PATH`. `V` is the type of its
 * value; without the option the value is `absent`.
 */
export interface Option<V> {
  /** Single letters, without the dash. */
  readonly shorts: readonly string[]
  /** Long names, without the dashes: the one shown first, then its aliases. */
  readonly longs: readonly string[]
  readonly argument: 'none' | 'required' | 'optional'
  /** The name of the argument in the help: `PATH`. */
  readonly placeholder: string
  readonly help: string
  readonly absent: V
  /** The value after one more occurrence; `raw` is its argument, if it has one. */
  take(raw: string | undefined, before: V): V
}

/** The options of a command by the names its code uses. */
export type Options = Readonly<Record<string, Option<unknown>>>

/** The values of a command's options. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends Option<infer V> ? V : never
}

/** An option without argument: true if given. */
export function flag(spelling: string, help: string): Option<boolean> {
  return { ...declared(spelling, help), absent: false, take: () => true }
}

/** An option with a text argument; the last occurrence counts. */
export function text(spelling: string, help: string): Option<string | undefined> {
  return { ...declared(spelling, help), absent: undefined, take: (raw) => raw }
}

/** An option with a text argument that may be repeated; all occurrences count, in order. */
export function texts(spelling: string, help: string): Option<readonly string[]> {
  return {
    ...declared(spelling, help),
    absent: [],
    take: (raw, before) => (raw === undefined ? before : [...before, raw]),
  }
}

/** An option with an optional text argument: true if given without one. */
export function optionalText(spelling: string, help: string): Option<string | true | undefined> {
  return { ...declared(spelling, help), absent: undefined, take: (raw) => raw ?? true }
}

/** An option with a whole number of 0 or more; the last occurrence counts. */
export function wholeNumber(spelling: string, help: string): Option<number | undefined> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: undefined,
    take: (raw) => (raw === undefined ? undefined : numberOf(raw, option)),
  }
}

/** As {@link wholeNumber}, of 1 or more. */
export function positiveNumber(spelling: string, help: string): Option<number | undefined> {
  const option = declared(spelling, help)
  const positive = (raw: string): number => {
    const number = numberOf(raw, option)
    if (number > 0) return number
    throw new AgentError('usage', `${shownName(option)}: it must be 1 or more`)
  }
  return {
    ...option,
    absent: undefined,
    take: (raw) => (raw === undefined ? undefined : positive(raw)),
  }
}

/** As {@link wholeNumber}; all occurrences count, in order. */
export function wholeNumbers(spelling: string, help: string): Option<readonly number[]> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: [],
    take: (raw, before) => (raw === undefined ? before : [...before, numberOf(raw, option)]),
  }
}

/** An option with an optional number: true if given without one. */
export function optionalNumber(spelling: string, help: string): Option<number | true | undefined> {
  const option = declared(spelling, help)
  return {
    ...option,
    absent: undefined,
    take: (raw) => (raw === undefined ? true : numberOf(raw, option)),
  }
}

/** An option whose argument is one of `choices`; the last occurrence counts. */
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

/** As {@link choice}; all occurrences count, in order. */
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

/** Parses `-o, --token, --alias[=NAME]`. */
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
  throw new AgentError(
    'usage',
    `${shownName(option)}: '${raw}' is not one of ${allowed.join(', ')}`,
  )
}

/** The name of an option in a message: `--time`, or `-k` if it has no long name. */
export function shownName(option: Pick<Declared, 'longs' | 'shorts'>): string {
  const [long] = option.longs
  return long === undefined ? `-${option.shorts[0] ?? ''}` : `--${long}`
}
