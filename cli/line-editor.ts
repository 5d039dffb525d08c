import { createInterface, type Interface } from 'node:readline'
import { type Readable, Writable } from 'node:stream'
import { AgentError } from '../protocol/wire/errors.ts'

/** What a terminal in raw mode offers beyond a stream; a stream in a test may have none of it. */
type TerminalInput = Readable & { setRawMode?: (raw: boolean) => unknown }
type TerminalOutput = Writable & { readonly columns?: number }

/** A line and what was pasted along with it. */
export interface Typed {
  readonly line: string
  /** Further whole lines. */
  readonly more: readonly string[]
  /** The beginning of one more. */
  readonly begun: string
}

/** Where a line is read. */
export interface Console {
  readonly input: TerminalInput
  readonly output: TerminalOutput
  /** Stops the job at this console, as Ctrl-Z does where no program handles it. */
  readonly stopJob: () => void
  /** Has Ctrl-C reach the rest of the job, as it does where no program handles it. */
  readonly interruptJob: () => void
}

export interface LineOptions {
  readonly prompt: string
  /** Whether what is typed may be seen. */
  readonly typing: 'shown' | 'hidden'
  /** What counts as typed already. */
  readonly begun: string
  /** Aborted when the line is not needed any more. */
  readonly signal?: AbortSignal | undefined
}

/** Signals that end a program, which would leave the terminal without echo. */
const deadlySignals = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/**
 * Lets a person edit one line. The terminal is in raw mode until the promise settles, and only then.
 * @throws AgentError `cancelled` after Ctrl-C or by `signal`; `no-terminal` after Ctrl-D on an empty
 * line and where the terminal is lost.
 */
export function readLine(
  { input, output, stopJob, interruptJob }: Console,
  { prompt, typing, begun, signal }: LineOptions,
): Promise<Typed> {
  // A stream that has ended tells nobody again.
  if (input.destroyed || input.readableEnded) return Promise.reject(nobody('end of input'))
  const screen = new Screen(output)
  const editor = createInterface({ input, output: screen, terminal: true, historySize: 0 })
  const typed = new Promise<Typed>((resolve, reject) => {
    editor.on('SIGINT', () => {
      interruptJob()
      reject(cancelled('interrupted'))
    })
    editor.on('close', () => reject(nobody('end of input')))
    editor.on('error', () => reject(nobody('the terminal is lost')))
    signal?.addEventListener('abort', () => reject(cancelled('no longer needed')), { once: true })
    editor.on('SIGTSTP', () => {
      process.once('SIGCONT', () => {
        input.setRawMode?.(true)
        // The question has scrolled away.
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

/** Tells of the first line once all that was pasted with it has been read. */
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
    // The rest of a paste is read in this same turn. It belongs to the next questions.
    process.nextTick(() => resolve({ line, more: lines.slice(1), begun: editor.line }))
  })
}

/** Gives the terminal back before a signal ends the program; call what it returns when done. */
function restoreOnSignal(editor: Interface): () => void {
  const release = (): void => {
    for (const signal of deadlySignals) process.removeListener(signal, restore)
  }
  const restore = (signal: NodeJS.Signals): void => {
    release()
    editor.close()
    // With our listener gone the signal does what it does to any program.
    process.kill(process.pid, signal)
  }
  for (const signal of deadlySignals) process.on(signal, restore)
  return release
}

function cancelled(why: string): AgentError {
  return new AgentError('cancelled', `cancelled: ${why}`)
}

/** There was a terminal, but nobody at it answers. */
function nobody(why: string): AgentError {
  return new AgentError('no-terminal', `no answer: ${why}`)
}

/** What the editor draws on: the terminal, except while it must not show what is typed. */
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
