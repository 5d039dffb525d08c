import { openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { type Readable, Writable } from 'node:stream'
import { ReadStream, WriteStream } from 'node:tty'
import { AgentError } from '../protocol/errors.ts'

/*
 * Rules of the interface, for all four commands:
 *
 * - stdout is data: what a script takes (tokens, names, JSON) and the few lines the C tools print
 *   there, which scripts wait for. Nothing else.
 * - stderr is for what a person reads while the command runs: hints, the device code, errors as
 *   `Error: …` and under it what to do next.
 * - Questions go to /dev/tty, never to stdout or stderr, and answers come from there even if stdin
 *   is a pipe: so `TOKEN=$(oidc-token wlcg)` can ask for a password.
 * - Passwords are not echoed, not even as stars, and never taken from stdin.
 * - Ctrl-C and Ctrl-D at a question end the command with status 130; Ctrl-Z stops it. Whatever ends
 *   it, the terminal is left as it was found.
 * - No terminal, no question: the error names the option that answers instead.
 */

export interface Terminal {
  /** Asks until a line is entered; an empty line is the default, where there is one. */
  ask(question: string, options?: { readonly default?: string }): Promise<string>
  /** Asks without showing what is typed. */
  askSecret(question: string): Promise<string>
  /** Shows `text` and ends the line. */
  say(text: string): void
  close(): void
}

/** What a raw-mode terminal offers beyond a stream; a stream in a test has none of it. */
export type TerminalInput = Readable & { setRawMode?: (raw: boolean) => unknown }
export type TerminalOutput = Writable & { readonly columns?: number }

/**
 * Opens the terminal of this session, whatever stdin and stdout are.
 * @throws AgentError `no-terminal`, with `hint` as what to do instead.
 */
export function openTerminal(
  hint = 'Give the password by one of the options --pw-env, --pw-file and --pw-cmd.',
): Terminal {
  try {
    // Twice, since each stream closes its own descriptor.
    const input = new ReadStream(openSync('/dev/tty', 'r+'))
    return new StreamTerminal(input, new WriteStream(openSync('/dev/tty', 'r+')))
  } catch (cause) {
    throw new AgentError('no-terminal', 'there is no terminal to ask on', { hint, cause })
  }
}

/** A terminal over two streams. */
export class StreamTerminal implements Terminal {
  readonly #input: TerminalInput
  readonly #output: TerminalOutput
  /** Lines pasted together with an earlier answer. */
  readonly #pasted: string[] = []
  /** The beginning of a line, pasted likewise. */
  #begun = ''

  constructor(input: TerminalInput, output: TerminalOutput) {
    this.#input = input
    this.#output = output
  }

  async ask(question: string, options: { readonly default?: string } = {}): Promise<string> {
    const fallback = options.default
    const shown = fallback === undefined ? question : `${question} [${fallback}]`
    const answer = await this.#readLine(`${shown}: `, 'shown')
    return answer === '' && fallback !== undefined ? fallback : answer
  }

  askSecret(question: string): Promise<string> {
    return this.#readLine(`${question}: `, 'hidden')
  }

  say(text: string): void {
    this.#output.write(`${text}\n`)
  }

  close(): void {
    this.#input.destroy()
    this.#output.destroy()
  }

  #readLine(prompt: string, typing: 'shown' | 'hidden'): Promise<string> {
    const pasted = this.#pasted.shift()
    if (pasted !== undefined) {
      this.say(typing === 'shown' ? `${prompt}${pasted}` : prompt)
      return Promise.resolve(pasted)
    }
    return new Promise((resolve, reject) => {
      const screen = new Screen(this.#output)
      const editor = createInterface({
        input: this.#input,
        output: screen,
        terminal: true,
        historySize: 0,
      })
      let answer: string | undefined
      const end = (error?: AgentError): void => {
        for (const signal of deadlySignals) process.removeListener(signal, die)
        this.#input.removeListener('error', lost)
        // Before `close`, which would report the line as abandoned.
        editor.removeAllListeners()
        editor.close()
        if (typing === 'hidden' || error !== undefined) this.#output.write('\n')
        if (error !== undefined || answer === undefined) reject(error ?? cancelled('end of input'))
        else resolve(answer)
      }
      const die = (signal: NodeJS.Signals): void => {
        end(cancelled(signal))
        // With our listener gone the signal does what it does to any program.
        process.kill(process.pid, signal)
      }
      const lost = (): void => end(cancelled('terminal lost'))

      for (const signal of deadlySignals) process.on(signal, die)
      this.#input.on('error', lost)
      editor.on('SIGINT', () => end(cancelled('interrupted')))
      editor.on('close', () => end())
      // After Ctrl-Z and `fg` the question has scrolled away.
      editor.on('SIGCONT', () => {
        if (typing === 'hidden') this.#output.write(prompt)
      })
      editor.on('line', (line) => {
        if (answer !== undefined) {
          this.#pasted.push(line)
          return
        }
        answer = line
        screen.quiet = true
        // The rest of what was pasted arrives in this same turn and belongs to the next questions.
        process.nextTick(() => {
          this.#begun = editor.line
          end()
        })
      })

      editor.setPrompt(prompt)
      editor.prompt()
      screen.quiet = typing === 'hidden'
      editor.write(this.#begun)
      this.#begun = ''
    })
  }
}

/** Signals that end a program and would leave the terminal without echo. */
const deadlySignals = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

function cancelled(why: string): AgentError {
  return new AgentError('cancelled', `cancelled: ${why}`)
}

/** What the line editor draws on: the terminal, except while it must not show what is typed. */
class Screen extends Writable {
  quiet = false
  readonly #output: TerminalOutput

  constructor(output: TerminalOutput) {
    super()
    this.#output = output
  }

  /** The editor wraps long lines by it. */
  get columns(): number | undefined {
    return this.#output.columns
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (!this.quiet) this.#output.write(chunk)
    done()
  }
}
