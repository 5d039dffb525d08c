import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'

const POLL_MS = 10
const DEADLINE_MS = 10_000

/** Whether a process runs. A zombie, which has ended but has not been reaped, does not run. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    // The state follows the name, which may itself contain parentheses (proc(5), /proc/pid/stat).
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0]
    return state !== 'Z' && state !== 'X'
  } catch {
    // Without /proc on this system it counts as running; on Linux it has just ended.
    return process.platform !== 'linux'
  }
}

/** Waits until a process has ended. @throws Error if it runs after {@link DEADLINE_MS}. */
export function processEnd(pid: number): Promise<void> {
  return until(`process ${pid} to end`, () => !isRunning(pid))
}

/** Ends a process and waits for its end. */
export async function endProcess(pid: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!isRunning(pid)) return
  process.kill(pid, signal)
  await processEnd(pid)
}

/** Polls for a condition that only another process can make true. @throws Error with `what` after `deadlineMs`. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await isSo())) {
    if (performance.now() > deadline)
      throw new Error(`timeout after ${deadlineMs} ms: waiting for ${what}`)
    await wait(POLL_MS)
  }
}
