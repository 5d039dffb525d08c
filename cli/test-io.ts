import { type Io, type Output, type SanitizedOutput, sanitized } from './run.ts'

/** An output that keeps what is written. */
export interface KeptOutput extends Output {
  readonly text: string
}

/** For tests: an {@link Io} without a terminal, whose outputs are kept. */
export function testIo(
  given: {
    readonly argv?: readonly string[]
    readonly env?: Io['env']
    /** True: stderr is a terminal. */
    readonly terminal?: boolean
    /** True: stdout is a terminal. */
    readonly screen?: boolean
  } = {},
): Io & {
  readonly hidden: number
  readonly stdout: KeptOutput
  readonly stderr: KeptOutput & SanitizedOutput
} {
  const stderr = keptOutput(given.terminal ?? false)
  let hidden = 0
  return {
    argv: given.argv ?? [],
    env: given.env ?? {},
    uid: process.getuid?.() ?? 0,
    now: Date.now,
    hideMemory: () => {
      hidden += 1
    },
    /** How often the memory was hidden: the process of the tests stays as it is. */
    get hidden() {
      return hidden
    },
    stdout: keptOutput(given.screen ?? false),
    stderr: {
      ...sanitized(() => stderr),
      get text() {
        return stderr.text
      },
    },
  }
}

function keptOutput(isTTY: boolean): KeptOutput {
  const parts: string[] = []
  return {
    isTTY,
    get text() {
      return parts.join('')
    },
    write(text) {
      parts.push(text)
    },
  }
}
