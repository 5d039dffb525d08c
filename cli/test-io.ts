import type { Io, Output } from './run.ts'

/** An output that keeps what is written. */
export interface KeptOutput extends Output {
  readonly text: string
}

/** For tests: a world without terminal, whose outputs are kept. */
export function testIo(
  given: {
    readonly argv?: readonly string[]
    readonly env?: Io['env']
    /** True: stderr is one. */
    readonly terminal?: boolean
    /** True: stdout is one. */
    readonly screen?: boolean
  } = {},
): Io & { readonly stdout: KeptOutput; readonly stderr: KeptOutput } {
  return {
    argv: given.argv ?? [],
    env: given.env ?? {},
    uid: process.getuid?.() ?? 0,
    now: Date.now,
    stdout: keptOutput(given.screen ?? false),
    stderr: keptOutput(given.terminal ?? false),
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
