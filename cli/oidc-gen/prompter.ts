import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { Output } from '../run.ts'
import type { Terminal } from '../terminal.ts'
import type { GenOptions } from './options.ts'

/** A value that an option gives, or a person. */
export interface Question {
  /** In the C tool's error text: `issuer url`. */
  readonly label: string
  /** Without the dashes. */
  readonly option: string
  readonly question: string
}

export type Answer = 'yes' | 'no' | 'quit'

type PromptOptions = Pick<GenOptions, 'prompt' | 'confirmYes' | 'confirmNo' | 'confirmDefault'>

/** How the person is reached. */
export interface PromptChannels {
  /** @throws AgentError `no-terminal` */
  openTerminal(): Terminal
  /** Where answers come from if there is no terminal. */
  openPipe(): Questions
}

/** Asks the person, or says which option would have answered. */
export class Prompter {
  readonly #options: PromptOptions
  readonly #reach: PromptChannels
  #terminal: Terminal | undefined
  #pipe: Questions | undefined

  /** Nothing is opened before the first question. */
  constructor(options: PromptOptions, reach: PromptChannels) {
    this.#options = options
    this.#reach = reach
  }

  /**
   * For passwords: they are asked for even with --prompt=none, as by the C tool.
   * @throws AgentError `no-terminal`
   */
  passwords(): Terminal {
    this.#terminal ??= this.#reach.openTerminal()
    return this.#terminal
  }

  /** Whether there is a terminal, and questions are wanted. */
  hasTerminal(): boolean {
    if (this.#options.prompt === 'none') return false
    try {
      this.passwords()
      return true
    } catch {
      return false
    }
  }

  /**
   * The answer, not empty.
   * @throws AgentError `no-terminal` with --prompt=none.
   */
  async ask(wanted: Question, fallback?: string): Promise<string> {
    this.#checkMayAsk(wanted)
    const given = fallback === undefined ? {} : { default: fallback }
    for (;;) {
      const answer = (await this.#questions().ask(wanted.question, given)).trim()
      if (answer !== '') return answer
    }
  }

  /** As {@link ask}, without showing what is typed; `keeps` is what an empty answer means. */
  async askSecret(wanted: Question, keeps?: string): Promise<string> {
    this.#checkMayAsk(wanted)
    const question = keeps === undefined ? wanted.question : `${wanted.question} [***]`
    for (;;) {
      const answer = await this.passwords().askSecret(question)
      if (answer !== '') return answer
      if (keeps !== undefined) return keeps
    }
  }

  /** Shows something that helps to answer the next question. */
  say(text: string): void {
    if (this.#options.prompt !== 'none') this.#questions().say(text)
  }

  /** A question for yes or no (cli.md §1.4, "-d"): only a whole `yes` overrules a No. */
  async confirm(question: string, standard: 'yes' | 'no'): Promise<Answer> {
    const settled = this.#settledAnswer(standard)
    if (settled !== undefined) return settled
    if (this.#options.prompt === 'none') {
      throw new AgentError('no-terminal', `${question} Nobody may be asked with --prompt=none.`, {
        hint: 'Answer by --confirm-yes, --confirm-no or --confirm-default.',
      })
    }
    const choices = standard === 'yes' ? '[Yes/no/quit]' : '[No/yes/quit]'
    for (;;) {
      const answer = (await this.#questions().ask(`${question} ${choices}`)).trim().toLowerCase()
      if (answer === '') return standard
      if (answer === 'yes' || answer === 'no' || answer === 'quit') return answer
      if (standard === 'no') return 'no'
    }
  }

  #settledAnswer(standard: 'yes' | 'no'): Answer | undefined {
    const { confirmYes, confirmNo, confirmDefault } = this.#options
    if (confirmYes) return 'yes'
    if (confirmNo) return 'no'
    return confirmDefault ? standard : undefined
  }

  close(): void {
    this.#terminal?.close()
    this.#pipe?.close()
  }

  #questions(): Questions {
    if (this.#pipe !== undefined) return this.#pipe
    try {
      return this.passwords()
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'no-terminal') throw error
      this.#pipe = this.#reach.openPipe()
      return this.#pipe
    }
  }

  #checkMayAsk({ label, option }: Question): void {
    if (this.#options.prompt !== 'none') return
    throw new AgentError(
      'no-terminal',
      `Required argument ${label} not given. Please enable a prompt mode or pass ${label} to the '--${option}' option.`,
    )
  }
}

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
