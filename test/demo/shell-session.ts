import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** What is typed when the screen asks something; undefined: nothing yet. */
export type Answerer = (screen: string) => string | undefined

export interface ShellSessionOptions {
  readonly env: Readonly<Record<string, string>>
  readonly directory: string
  /** True: in a terminal of its own, made by util-linux's `script`. */
  readonly terminal: boolean
  readonly write: (text: string) => void
}

/** Ends each command's output; no command prints it, and it is not shown. */
const END = '\u001e'

/**
 * One `sh` that runs one line after the other, as in a terminal session: what a line evaluates is
 * there for the next. Lines and outputs are shown as they come.
 */
export class ShellSession {
  readonly #child: ChildProcess
  readonly #write: (text: string) => void
  readonly #closed: Promise<unknown>
  #output = ''
  #shown = 0
  #show: (text: string) => void = () => undefined
  #onOutput: () => void = () => undefined

  constructor({ env, directory, terminal, write }: ShellSessionOptions) {
    // Without echo: the lines are shown by us, with a prompt. Without onlcr: outputs are compared.
    const command = terminal ? 'script' : 'sh'
    const args = terminal ? ['-qfec', 'stty -echo -onlcr; exec sh', '/dev/null'] : []
    this.#write = write
    this.#child = spawn(command, args, {
      env: { ...env, PS1: '', PS2: '', SHELL: '/bin/sh' },
      cwd: directory,
      stdio: ['pipe', 'pipe', 'pipe'],
      // Ctrl-C is for us, who end it in order.
      detached: true,
    })
    this.#closed = once(this.#child, 'close')
    const take = (chunk: Buffer): void => {
      this.#output += chunk.toString()
      const [shown = ''] = this.#output.split(END)
      this.#show(shown.slice(this.#shown))
      this.#shown = shown.length
      this.#onOutput()
    }
    this.#child.stdout?.on('data', take)
    this.#child.stderr?.on('data', take)
  }

  /**
   * Shows and runs `line`; `answer` sees the output so far each time there is more of it.
   * @throws Error where its status is not 0.
   */
  async run(line: string, answer: Answerer = () => undefined): Promise<string> {
    this.#write(`$ ${line}\n`)
    return this.#do(line, answer, this.#write)
  }

  /** Runs `line` without showing anything of it. */
  ask(line: string): Promise<string> {
    return this.#do(
      line,
      () => undefined,
      () => undefined,
    )
  }

  async #do(line: string, answer: Answerer, show: (text: string) => void): Promise<string> {
    this.#show = show
    this.#output = ''
    this.#shown = 0
    // In braces the line changes this shell; what it runs finds no input but the terminal's.
    this.#child.stdin?.write(`{ ${line}\n} </dev/null; printf '${END}%s${END}' "$?"\n`)
    let answered = 0
    for (;;) {
      const end = new RegExp(`${END}(\\d+)${END}`).exec(this.#output)
      if (end !== null) {
        const output = this.#output.slice(0, end.index)
        if (end[1] !== '0') throw new Error(`"${line}" ended with status ${end[1] ?? '?'}`)
        return output
      }
      const typed = answer(this.#output.slice(answered))
      if (typed === undefined) await this.#moreOutput(line)
      else {
        answered = this.#output.length
        this.#child.stdin?.write(`${typed}\r`)
      }
    }
  }

  /** Ends the shell. What it started in the background is not its affair. */
  async close(): Promise<void> {
    this.#child.stdin?.end('exit\n')
    await this.#closed
  }

  async #moreOutput(line: string): Promise<void> {
    const more = new Promise<void>((resolve) => {
      this.#onOutput = resolve
    })
    const gone = this.#closed.then(() => {
      throw new Error(`the shell ended during "${line}"`)
    })
    await Promise.race([more, gone])
  }
}
