import { createInterface, type Interface } from 'node:readline'
import { type Readable, Writable } from 'node:stream'
import { AgentError } from '../protocol/wire/errors.ts'

/** A stream with the additional methods of a terminal; a stream in a test may lack them. */
type TerminalInput = Readable & { setRawMode?: (raw: boolean) => unknown }
type TerminalOutput = Writable & { readonly columns?: number }

/** A line, and the text that was pasted with it. */
export interface Typed {
  readonly line: string
  /** Further whole lines. */
  readonly more: readonly string[]
  /** The beginning of another line. */
  readonly begun: string
}

/** The terminal that a line is read from. */
export interface Console {
  readonly input: TerminalInput
  readonly output: TerminalOutput
  /** Stops the job at this terminal, as Ctrl-Z does if no program handles it. */
  readonly stopJob: () => void
  /** Passes Ctrl-C on to the rest of the job, which gets it if no program handles it. */
  readonly interruptJob: () => void
}

export interface LineOptions {
  readonly prompt: string
  /** Whether the typed text is shown. */
  readonly typing: 'shown' | 'hidden'
  /** Text that counts as already typed. */
  readonly begun: string
  /** Aborted when the line is no longer needed. */
  readonly signal?: AbortSignal | undefined
}

/** Signals that end a program. Without a handler, they would leave the terminal without echo. */
const deadlySignals = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/**
 * Lets a person edit one line. The terminal is in raw mode until the promise settles, and only then.
 * @throws AgentError `cancelled` after Ctrl-C or by `signal`; `no-terminal` after Ctrl-D on an empty
 *   line or if the terminal is lost
 */
export function readLine(
  { input, output, stopJob, interruptJob }: Console,
  { prompt, typing, begun, signal }: LineOptions,
): Promise<Typed> {
  // A stream that has ended emits no further event.
  if (input.destroyed || input.readableEnded) return Promise.reject(noAnswer('end of input'))
  const screen = new Screen(output)
  const editor = createInterface({ input, output: screen, terminal: true, historySize: 0 })
  const typed = new Promise<Typed>((resolve, reject) => {
    editor.on('SIGINT', () => {
      interruptJob()
      reject(cancelled('interrupted'))
    })
    editor.on('close', () => reject(noAnswer('end of input')))
    editor.on('error', () => reject(noAnswer('the terminal is lost')))
    signal?.addEventListener('abort', () => reject(cancelled('no longer needed')), { once: true })
    editor.on('SIGTSTP', () => {
      process.once('SIGCONT', () => {
        input.setRawMode?.(true)
        // The question may have scrolled out of sight.
        if (typing === 'hidden') output.write(prompt)
        else editor.prompt(true)
      })
      input.setRawMode?.(false)
      stopJob()
    })
    gatherLines(editor, resolve, () => {
      screen.quiet = true
    })
  })
  const releaseSignals = restoreOnSignal(editor)

  editor.setPrompt(prompt)
  editor.prompt()
  screen.quiet = typing === 'hidden'
  editor.write(begun)
  return typed
    .catch((error: unknown) => {
      if (typing === 'shown') output.write('\n')
      throw error
    })
    .finally(() => {
      releaseSignals()
      editor.close()
      if (typing === 'hidden') output.write('\n')
    })
}

/** Resolves with the first line, after the rest of a paste was read. */
function gatherLines(
  editor: Interface,
  resolve: (typed: Typed) => void,
  afterFirst: () => void,
): void {
  const lines: string[] = []
  editor.on('line', (line) => {
    lines.push(line)
    if (lines.length > 1) return
    afterFirst()
    // The rest of a paste is read in this turn of the event loop. It answers the next questions.
    process.nextTick(() => resolve({ line, more: lines.slice(1), begun: editor.line }))
  })
}

/** Restores the terminal before a signal ends the program. Returns a function that removes the handlers. */
function restoreOnSignal(editor: Interface): () => void {
  const release = (): void => {
    for (const signal of deadlySignals) process.removeListener(signal, restore)
  }
  const restore = (signal: NodeJS.Signals): void => {
    release()
    editor.close()
    // Without our handler the signal has its default effect.
    process.kill(process.pid, signal)
  }
  for (const signal of deadlySignals) process.on(signal, restore)
  return release
}

function cancelled(why: string): AgentError {
  return new AgentError('cancelled', `cancelled: ${why}`)
}

/** The terminal exists, but no answer comes from it. */
function noAnswer(why: string): AgentError {
  return new AgentError('no-terminal', `no answer: ${why}`)
}

/** The editor's output: the terminal, except while the typed text must not be shown. */
class Screen extends Writable {
  quiet = false
  readonly #output: TerminalOutput

  constructor(output: TerminalOutput) {
    super()
    this.#output = output
  }

  /** The width at which the editor wraps long lines. */
  get columns(): number | undefined {
    return this.#output.columns
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (!this.quiet) this.#output.write(chunk)
    done()
  }
}
