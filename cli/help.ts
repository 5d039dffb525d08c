import { Command, Option as CommanderOption } from 'commander'
import { type CommandSpec, helpOptions } from './arguments.ts'
import type { Option, Options } from './option.ts'

/*
 * The only user of commander: it lays out what a person reads, and is loaded only then. Reading a
 * command line through it cost oidc-token a tenth of its start-up (7 of 70 ms), and by argp's rules
 * nothing was left for it to decide.
 */

/** Columns a help text fills: argp's, so that it fits the narrowest usual terminal. */
const WIDTH = 79

/** The long text of `--help`. */
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

/** The short text of `--usage`. */
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

/** `-o, --token[=NAME]`; the deprecated and alternative names stay unsaid. */
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
