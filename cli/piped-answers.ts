import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { AgentError } from '../protocol/errors.ts'
import type { Output } from './run.ts'
import type { Terminal } from './terminal.ts'

/** What can be asked in the open. */
export type Questions = Pick<Terminal, 'ask' | 'say' | 'close'>

/**
 * Answers from a pipe, for where there is no terminal: the C oidc-gen reads its questions' answers
 * from stdin too, and scripts feed it. Passwords it takes from a terminal only; so do we.
 */
export class PipedPrompter implements Questions {
  readonly #stderr: Output
  readonly #input: Readable
  #lines: AsyncIterator<string> | undefined

  constructor(input: Readable, stderr: Output) {
    this.#input = input
    this.#stderr = stderr
  }

  async ask(question: string, options: { readonly default?: string } = {}): Promise<string> {
    const fallback = options.default
    this.#stderr.write(fallback === undefined ? `${question}: ` : `${question} [${fallback}]: `)
    this.#lines ??= createInterface({ input: this.#input })[Symbol.asyncIterator]()
    const line = await this.#lines.next()
    this.#stderr.write('\n')
    if (line.done === true) throw unanswered(question)
    return line.value === '' && fallback !== undefined ? fallback : line.value
  }

  say(text: string): void {
    this.#stderr.write(`${text}\n`)
  }

  close(): void {
    this.#input.destroy()
  }
}

function unanswered(question: string): AgentError {
  return new AgentError(
    'no-terminal',
    `there is no terminal to ask on, and stdin ends at: ${question}`,
    {
      hint: 'Give the answer by an option. Which there are shows: oidc-gen --help',
    },
  )
}
