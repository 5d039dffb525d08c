import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { Output } from '../run.ts'
import type { Terminal } from '../terminal.ts'

/** A question for a value that no option gave. */
export interface Question {
  /** Names the value in the C tool's error text: `issuer url`. */
  readonly label: string
  /** The option that gives the value, without the dashes. */
  readonly option: string
  readonly question: string
}

export type Answer = 'yes' | 'no' | 'quit'

/** Whether and how the person is asked. */
export interface PromptPolicy {
  /** False with --prompt=none. Passwords are asked for even then, as by the C tool. */
  readonly mayAsk: boolean
  /** How questions for yes or no are answered: by the person, or all by an option. */
  readonly confirmation: 'person' | 'yes' | 'no' | 'default'
}

/** The ways to the person. */
export interface PromptChannels {
  /** @throws AgentError `no-terminal` */
  openTerminal(): Terminal
  /** Reads answers from stdin. Used if there is no terminal. */
  openPipe(): Questions
}

/** Asks the person. If that is not allowed, the error names the option that answers instead. */
export class Prompter {
  readonly #policy: PromptPolicy
  readonly #channels: PromptChannels
  #terminal: Terminal | undefined
  #pipe: Questions | undefined

  /** Opens nothing: a channel is opened at the first question. */
  constructor(policy: PromptPolicy, channels: PromptChannels) {
    this.#policy = policy
    this.#channels = channels
  }

  /** False with --prompt=none. */
  get mayAsk(): boolean {
    return this.#policy.mayAsk
  }

  /** Whether the person answers questions for yes or no, instead of an option. */
  get mayConfirm(): boolean {
    return this.#policy.mayAsk && this.#policy.confirmation === 'person'
  }

  /**
   * The terminal itself, for passwords: they are asked for even with --prompt=none, as by the C tool.
   * @throws AgentError `no-terminal`
   */
  terminal(): Terminal {
    this.#terminal ??= this.#channels.openTerminal()
    return this.#terminal
  }

  /** Whether there is a terminal, and the person may be asked at it. */
  hasTerminal(): boolean {
    if (!this.#policy.mayAsk) return false
    try {
      this.terminal()
      return true
    } catch {
      return false
    }
  }

  /**
   * The person's answer, not empty. Asks until there is one.
   * @param fallback an empty line means it
   * @throws AgentError `no-terminal` with --prompt=none, or if stdin ends
   */
  async ask(value: Question, fallback?: string): Promise<string> {
    this.#checkMayAsk(value)
    const given = fallback === undefined ? {} : { default: fallback }
    for (;;) {
      const answer = (await this.#questions().ask(value.question, given)).trim()
      if (answer !== '') return answer
    }
  }

  /** As {@link ask}, without showing what is typed or what `fallback` is. */
  async askSecret(value: Question, fallback?: string): Promise<string> {
    this.#checkMayAsk(value)
    const question = fallback === undefined ? value.question : `${value.question} [***]`
    for (;;) {
      const answer = await this.terminal().askSecret(question)
      if (answer !== '') return answer
      if (fallback !== undefined) return fallback
    }
  }

  /** Shows something that helps to answer the next question. */
  say(text: string): void {
    if (this.#policy.mayAsk) this.#questions().say(text)
  }

  /**
   * The answer to a question for yes or no (cli.md §1.4, "-d"). If the default is `no`, only the whole
   * word `yes` means yes.
   * @throws AgentError `no-terminal` with --prompt=none, unless an option answers
   */
  async confirm(question: string, standard: 'yes' | 'no'): Promise<Answer> {
    const settled = this.#settledAnswer(standard)
    if (settled !== undefined) return settled
    if (!this.#policy.mayAsk) {
      throw new AgentError('no-terminal', `${question} With --prompt=none this is not asked.`, {
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
    const { confirmation } = this.#policy
    if (confirmation === 'person') return undefined
    return confirmation === 'default' ? standard : confirmation
  }

  close(): void {
    this.#terminal?.close()
    this.#pipe?.close()
  }

  #questions(): Questions {
    if (this.#pipe !== undefined) return this.#pipe
    try {
      return this.terminal()
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'no-terminal') throw error
      this.#pipe = this.#channels.openPipe()
      return this.#pipe
    }
  }

  #checkMayAsk({ label, option }: Question): void {
    if (this.#policy.mayAsk) return
    throw new AgentError(
      'no-terminal',
      `Required argument ${label} not given. Please enable a prompt mode or pass ${label} to the '--${option}' option.`,
    )
  }
}

/** Questions whose answers may be seen. */
export type Questions = Pick<Terminal, 'ask' | 'say' | 'close'>

/**
 * Answers from a pipe, if there is no terminal: the C oidc-gen reads answers from stdin too, and
 * scripts write them. It reads passwords from a terminal only, and so does this one.
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
      hint: 'Give the answer by an option. To list the options: oidc-gen --help',
    },
  )
}
