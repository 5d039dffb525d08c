import { openSync } from 'node:fs'
import { ReadStream, WriteStream } from 'node:tty'
import { hideMemory } from '../protocol/process/memory.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import { sanitize } from '../protocol/wire/text.ts'
import { type Console, readLine } from './line-editor.ts'
import { type Io, isNonInteractive, NON_INTERACTIVE } from './run.ts'

/*
 * Rules of the interface, for all commands:
 *
 * - stdout is for scripts: data (tokens, names, JSON) and the few lines of the C tools that scripts wait
 *   for. Nothing else.
 * - stderr is for the person while the command runs: hints, the device code, errors as `Error: …` with
 *   what to do next below.
 * - Questions go to /dev/tty, never to stdout or stderr. Answers come from /dev/tty even if stdin is a
 *   pipe, so that `TOKEN=$(oidc-token wlcg)` can ask for a password.
 * - Passwords are not echoed, not even as stars, and are never read from stdin.
 * - Ctrl-C ends the command by SIGINT, so that a shell's loop ends too. Ctrl-D at a question ends it as
 *   any failure does. Ctrl-Z stops its whole job.
 * - However the command ends, the terminal is restored.
 * - Without a terminal no question is asked: the error names the option that answers instead.
 */

export interface AskOptions {
  readonly default?: string
  /** Aborted when the answer is no longer needed. */
  readonly signal?: AbortSignal
}

export interface Terminal {
  /** Asks for a line. An empty line means the default, if there is one. */
  ask(question: string, options?: AskOptions): Promise<string>
  /** Asks without showing the typed text. */
  askSecret(question: string): Promise<string>
  /** Shows `text` and ends the line. */
  say(text: string): void
  close(): void
}

/** The options that answer instead of the person. */
const HINT = 'Give the password by one of the options --pw-env, --pw-file and --pw-cmd.'

/**
 * Opens the terminal of this session, even if stdin and stdout are redirected.
 * @throws AgentError `no-terminal`, also with `OIDC_AGENT_NON_INTERACTIVE`
 */
export function openTerminal(env: Io['env']): Terminal {
  if (isNonInteractive(env)) {
    const message = `cannot ask for a password: ${NON_INTERACTIVE} is set`
    throw new AgentError('no-terminal', message, { hint: HINT })
  }
  try {
    // A secret may be typed.
    hideMemory()
    // Twice, since each stream closes its own descriptor.
    const input = new ReadStream(openSync('/dev/tty', 'r+'))
    const output = new WriteStream(openSync('/dev/tty', 'r+'))
    return new StreamTerminal({ input, output, stopJob, interruptJob })
  } catch (cause) {
    throw new AgentError('no-terminal', 'there is no terminal to ask on', { hint: HINT, cause })
  }
}

/** A terminal made of two streams. */
export class StreamTerminal implements Terminal {
  readonly #console: Console
  /** Lines that were pasted with an earlier answer. */
  readonly #pasted: string[] = []
  /** The beginning of a line that was pasted with an earlier answer. */
  #begun = ''

  constructor(console: Console) {
    this.#console = console
    const { input, output } = console
    // A lost terminal fails at every step. readLine reports that to its caller.
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

/** Stops all processes of a pipeline: a shell would wait for those that still run. */
function stopJob(): void {
  process.kill(0, 'SIGTSTP')
}

/**
 * Interrupts all processes of a pipeline, and a script's loop around it, when this process ends: in raw
 * mode the terminal sends no SIGINT for Ctrl-C.
 */
function interruptJob(): void {
  process.once('exit', () => process.kill(0, 'SIGINT'))
}

function ignore(): void {
  // Nothing to do: see the constructor.
}
