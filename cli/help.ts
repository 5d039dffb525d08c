import { Command, Option as CommanderOption } from 'commander'
import { type CommandSpec, helpOptions } from './arguments.ts'
import type { Option, Options } from './option.ts'

/*
 * The only user of commander, which lays out the help and is loaded only for it. It does not parse command
 * lines: that cost oidc-token a tenth of its start-up (7 of 70 ms), and argp has other rules.
 */

/** Columns of a help text, as of argp: it fits a terminal of 80 columns. */
const WIDTH = 79

/** The text of `--help`. */
export function helpText<O extends Options>(spec: CommandSpec<O>): string {
  const command = new Command(spec.name)
    .usage(`[OPTION...] ${spec.operands.label}`)
    .description(spec.summary)
    .helpOption(false)
    .configureHelp({ helpWidth: WIDTH, optionTerm: (option) => terms.get(option) ?? '' })
  const terms = new Map<CommanderOption, string>()
  for (const [key, option] of Object.entries<Option<unknown>>({
    ...spec.options,
    ...helpOptions,
  })) {
    const heading = spec.headings?.[key] ?? (key === 'help' ? 'Help' : undefined)
    if (heading !== undefined) command.optionsGroup(`${heading}:`)
    const shown = new CommanderOption(`--${key}`, option.help)
    terms.set(shown, term(option))
    command.addOption(shown)
  }
  return command.helpInformation()
}

/** The text of `--usage`: a synopsis. */
export function usageText<O extends Options>(spec: CommandSpec<O>): string {
  const words = Object.values({ ...spec.options, ...helpOptions }).map(
    (option) => `[${short(option)}]`,
  )
  const start = `Usage: ${spec.name}`
  const lines: string[] = []
  let line = start
  for (const word of [...words, spec.operands.label]) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = ' '.repeat(start.length)
    }
    line += ` ${word}`
  }
  return [...lines, line, ''].join('\n')
}

/** `-o, --token[=NAME]`; aliases and deprecated names are left out. */
function term(option: Option<unknown>): string {
  const letter = option.shorts[0] === undefined ? '    ' : `-${option.shorts[0]}, `
  const [long] = option.longs
  return long === undefined
    ? `-${option.shorts[0] ?? ''}${argument(option, ' ')}`
    : `${letter}--${long}${argument(option, '=')}`
}

function short(option: Option<unknown>): string {
  const [letter] = option.shorts
  if (letter !== undefined) return `-${letter}${argument(option, ' ')}`
  return `--${option.longs[0] ?? ''}${argument(option, '=')}`
}

function argument(option: Option<unknown>, join: string): string {
  if (option.argument === 'none') return ''
  if (option.argument === 'required') return `${join}${option.placeholder}`
  return `[${join.trim()}${option.placeholder}]`
}
