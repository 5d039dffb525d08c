import { openSync } from 'node:fs'
import { ReadStream, WriteStream } from 'node:tty'
import { AgentError } from '../protocol/wire/errors.ts'
import { sanitize } from '../protocol/wire/text.ts'
import { type Console, readLine } from './line-editor.ts'
import { isNonInteractive, NON_INTERACTIVE } from './non-interactive.ts'
import type { Io } from './run.ts'

/*
 * Rules of the interface, for all commands:
 *
 * - stdout is data: what a script takes (tokens, names, JSON) and the few lines the C tools print
 *   there, which scripts wait for. Nothing else.
 * - stderr is for what a person reads while the command runs: hints, the device code, errors as
 *   `Error: …` and under it what to do next.
 * - Questions go to /dev/tty, never to stdout or stderr, and answers come from there even if stdin
 *   is a pipe: so `TOKEN=$(oidc-token wlcg)` can ask for a password.
 * - Passwords are not echoed, not even as stars, and never taken from stdin.
 * - Ctrl-C ends the command by SIGINT, so that a shell's loop ends too, and Ctrl-D at a question as
 *   any failure does; Ctrl-Z stops its whole job.
 *   Whatever ends it, the terminal is left as it was found.
 * - No terminal, no question: the error names the option that answers instead.
 */

export interface AskOptions {
  readonly default?: string
  /** Aborted when the answer is not needed any more. */
  readonly signal?: AbortSignal
}

export interface Terminal {
  /** Asks for a line; an empty one means the default, where there is one. */
  ask(question: string, options?: AskOptions): Promise<string>
  /** Asks without showing what is typed. */
  askSecret(question: string): Promise<string>
  /** Shows `text` and ends the line. */
  say(text: string): void
  close(): void
}

/** What answers instead of a person. */
const HINT = 'Give the password by one of the options --pw-env, --pw-file and --pw-cmd.'

/**
 * Opens the terminal of this session, whatever stdin and stdout are.
 * @throws AgentError `no-terminal`, also where commands are to do without a person
 */
export function openTerminal(env: Io['env']): Terminal {
  if (isNonInteractive(env)) {
    const message = `nobody is to be asked here: ${NON_INTERACTIVE} is set`
    throw new AgentError('no-terminal', message, { hint: HINT })
  }
  try {
    // Twice, since each stream closes its own descriptor.
    const input = new ReadStream(openSync('/dev/tty', 'r+'))
    const output = new WriteStream(openSync('/dev/tty', 'r+'))
    return new StreamTerminal({ input, output, stopJob, interruptJob })
  } catch (cause) {
    throw new AgentError('no-terminal', 'there is no terminal to ask on', { hint: HINT, cause })
  }
}

/** A terminal over a console's streams. */
export class StreamTerminal implements Terminal {
  readonly #console: Console
  /** Lines pasted together with an earlier answer. */
  readonly #pasted: string[] = []
  /** The beginning of a line, pasted likewise. */
  #begun = ''

  constructor(console: Console) {
    this.#console = console
    const { input, output } = console
    // A terminal that is gone fails at every step; readLine reports it where somebody waits.
    input.on('error', ignore)
    output.on('error', ignore)
  }

  async ask(question: string, options: AskOptions = {}): Promise<string> {
    const fallback = options.default
    const shown = fallback === undefined ? question : `${question} [${fallback}]`
    const answer = await this.#readLine(`${shown}: `, 'shown', options.signal)
    return answer === '' && fallback !== undefined ? fallback : answer
  }

  askSecret(question: string): Promise<string> {
    return this.#readLine(`${question}: `, 'hidden')
  }

  say(text: string): void {
    this.#console.output.write(`${sanitize(text, 'terminal')}\n`)
  }

  close(): void {
    this.#console.input.destroy()
    this.#console.output.destroy()
  }

  async #readLine(
    prompt: string,
    typing: 'shown' | 'hidden',
    signal?: AbortSignal,
  ): Promise<string> {
    const pasted = this.#pasted.shift()
    if (pasted !== undefined) {
      this.say(typing === 'shown' ? `${prompt}${pasted}` : prompt)
      return pasted
    }
    const options = { prompt: sanitize(prompt, 'terminal'), typing, begun: this.#begun, signal }
    const { line, more, begun } = await readLine(this.#console, options)
    this.#pasted.push(...more)
    this.#begun = begun
    return line
  }
}

/** Stops all of a pipeline: a shell waits for what of it goes on. */
function stopJob(): void {
  process.kill(0, 'SIGTSTP')
}

/**
 * Interrupts all of a pipeline, and a script's loop around it, once this process has tidied up: in raw
 * mode the terminal told only us of the Ctrl-C.
 */
function interruptJob(): void {
  process.once('exit', () => process.kill(0, 'SIGINT'))
}

function ignore(): void {
  // Nothing to do: see the constructor.
}
