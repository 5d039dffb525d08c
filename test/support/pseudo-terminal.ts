import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { until } from './process-table.ts'
import type { Sandbox } from './sandbox.ts'

/** Why the tests cannot have a terminal here; undefined if they can. */
export const noTerminalReason: string | undefined = findReason()

/** A question on the screen and the keys typed after it. */
export interface Turn {
  readonly question: string
  /** A line to type, without its Return; or an action instead. */
  readonly answer:
    | string
    | ((screen: () => string, type: (keys: string) => void) => Promise<void> | void)
}

export interface TerminalSession {
  readonly screen: string
  readonly status: number | null
}

const TURN_MS = 30_000

/**
 * Runs a line of `sh` in a terminal of its own, made by util-linux's `script`, and answers its
 * questions. The screen shows stdout and stderr too, unless the line redirects them.
 */
export async function runInTerminal(
  sandbox: Sandbox,
  line: string,
  turns: readonly Turn[],
): Promise<TerminalSession> {
  const child = spawn('script', ['-qfec', line, '/dev/null'], {
    env: { ...sandbox.env, SHELL: '/bin/sh' },
    cwd: sandbox.home,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let screen = ''
  let seen = 0
  const show = (chunk: Buffer): void => {
    screen += chunk.toString()
  }
  child.stdout.on('data', show)
  child.stderr.on('data', show)
  child.stdin.on('error', () => undefined)
  let closed = false
  const ended = once(child, 'close') as Promise<[number | null]>
  child.once('close', () => {
    closed = true
  })
  try {
    for (const { question, answer } of turns) {
      const asks = (): boolean => screen.includes(question, seen)
      await until(`"${question}"`, () => asks() || closed, TURN_MS)
      if (!asks()) throw new Error(`the command ended without asking "${question}"`)
      seen = screen.indexOf(question, seen) + question.length
      if (typeof answer === 'string') child.stdin.write(`${answer}\r`)
      else
        await answer(
          () => screen,
          (keys) => child.stdin.write(keys),
        )
    }
    const [status] = await withDeadline(ended)
    return { screen, status }
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`in the terminal, after "${line}", the screen shows:\n${screen}`, {
      cause: error,
    })
  }
}

async function withDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the command does not end')), TURN_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function findReason(): string | undefined {
  const probe = spawnSync('script', ['-qfec', 'test -t 0', '/dev/null'], { timeout: 5000 })
  if (probe.status === 0) return undefined
  return probe.error === undefined
    ? "this system's script(1) is not util-linux's"
    : 'script(1) of util-linux is not installed'
}
