import { shellQuote } from '../protocol/shell-word.ts'
import { usageError } from './argv.ts'

/** The line that sets and exports a variable once it is `eval`ed; without its end of line. */
export function exportLine(name: string, value: string): string {
  return `${name}=${shellQuote(value)}; export ${name};`
}

/**
 * Checks a name a person gave for a variable.
 * @throws AgentError `usage`.
 */
export function checkVariableName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
  throw usageError(`'${name}' cannot be the name of a shell variable`)
}
