import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'

/** The line to type at a question on the screen; undefined: no question yet. */
export type Answerer = (screen: string) => string | undefined

export interface ShellSessionOptions {
  readonly env: Readonly<Record<string, string>>
  readonly directory: string
  /** True: in a pseudo-terminal made by util-linux's `script`. */
  readonly terminal: boolean
  readonly write: (text: string) => void
}

/** No successful command is silent for longer. */
const SILENCE_MS = 60_000
/** The time for a running command to end by itself. */
const LAST_COMMAND_MS = 2000
/** Marks the end of a command's output; no command prints it, and it is not shown. */
const END = '\u001e'

/**
 * One `sh` that runs one line after the other, as in a terminal session: a line sees the variables of
 * earlier ones. Lines and outputs are shown at once.
 */
export class ShellSession {
  readonly #child: ChildProcess
  readonly #write: (text: string) => void
  readonly #closed: Promise<unknown>
  #output = ''
  #shown = 0
  #running: Promise<unknown> = Promise.resolve()
  #isClosing = false
  #show: (text: string) => void = () => undefined
  #onOutput: () => void = () => undefined

  static async open(options: ShellSessionOptions): Promise<ShellSession> {
    const shell = new ShellSession(options)
    // Until the echo is off, the terminal repeats its input.
    while (options.terminal && !shell.#output.includes(END)) await shell.#moreOutput('stty')
    return shell
  }

  private constructor({ env, directory, terminal, write }: ShellSessionOptions) {
    // Without echo: we show the lines, with a prompt. Without onlcr: outputs are unchanged.
    const quiet = `stty -echo -onlcr; printf '${END}'; exec sh`
    const command = terminal ? 'script' : 'sh'
    const args = terminal ? ['-qfec', quiet, '/dev/null'] : []
    this.#write = write
    this.#child = spawn(command, args, {
      env: { ...env, PS1: '', PS2: '', SHELL: '/bin/sh' },
      cwd: directory,
      stdio: ['pipe', 'pipe', 'pipe'],
      // Ctrl-C reaches only this process, which closes the shell.
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
   * Shows and runs `line`; `answer` gets the output so far whenever there is more.
   * @throws Error if its status is not 0.
   */
  async run(line: string, answer: Answerer = () => undefined): Promise<string> {
    this.#write(`$ ${line}\n`)
    return this.#do(line, answer, this.#write)
  }

  /** Runs `line` without showing it. */
  ask(line: string): Promise<string> {
    return this.#do(
      line,
      () => undefined,
      () => undefined,
    )
  }

  #do(line: string, answer: Answerer, show: (text: string) => void): Promise<string> {
    if (this.#isClosing) throw new Error('the shell is being closed')
    this.#show = show
    const running = this.#type(line, answer)
    this.#running = running
    return running
  }

  async #type(line: string, answer: Answerer): Promise<string> {
    this.#output = ''
    this.#shown = 0
    // In braces the line runs in this shell; its commands get no input but the terminal's.
    this.#child.stdin?.write(`{ ${line}\n} </dev/null; printf '${END}%s${END}' "$?"\n`)
    let answered = 0
    for (;;) {
      const end = new RegExp(`${END}(\\d+)${END}`).exec(this.#output)
      if (end !== null) {
        const output = this.#output.slice(0, end.index)
        if (end[1] !== '0') throw new Error(`"${line}" ended with status ${end[1] ?? '?'}`)
        return output
      }
      const typed = answer(plain(this.#output.slice(answered)))
      if (typed === undefined) await this.#moreOutput(line)
      else {
        answered = this.#output.length
        this.#child.stdin?.write(`${typed}\r`)
      }
    }
  }

  /** Ends the shell and its commands; agents, which have their own session, stay. */
  async close(): Promise<void> {
    this.#isClosing = true
    // Waits for an agent that is being started, which would otherwise stay unnoticed.
    const timeUp = wait(LAST_COMMAND_MS, undefined, { ref: false })
    await Promise.race([this.#running.catch(() => undefined), timeUp])
    const { pid, exitCode, signalCode } = this.#child
    // Only SIGKILL ends `script`. Its terminal then hangs up all its processes.
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL')
    await this.#closed
  }

  async #moreOutput(line: string): Promise<void> {
    const more = new Promise<void>((resolve) => {
      this.#onOutput = resolve
    })
    const gone = this.#closed.then(() => {
      throw new Error(`the shell ended during "${line}"`)
    })
    const silent = new AbortController()
    const late = wait(SILENCE_MS, undefined, { signal: silent.signal }).then(() => {
      throw new Error(`nothing more came from "${line}"`)
    })
    try {
      await Promise.race([more, gone, late])
    } finally {
      late.catch(() => undefined)
      silent.abort()
    }
  }
}

/** The text without terminal control sequences (ECMA-48 CSI). */
export function plain(text: string): string {
  return text.replace(CONTROL_SEQUENCE, '')
}

const CONTROL_SEQUENCE = new RegExp('\u001b\\[[\\d;]*[A-Za-z]', 'g')
