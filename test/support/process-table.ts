import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'

const POLL_MS = 10
const DEADLINE_MS = 10_000

/** Whether a process runs. One that has ended and waits to be reaped (a zombie) does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    // The state follows the name, which may itself hold parentheses (proc(5), /proc/pid/stat).
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0]
    return state !== 'Z' && state !== 'X'
  } catch {
    // No /proc on this system, or gone in between; ask again in the latter case.
    return process.platform !== 'linux'
  }
}

/** Waits until a process has ended. @throws Error where it has not after {@link DEADLINE_MS}. */
export function processEnd(pid: number): Promise<void> {
  return until(`process ${pid} to end`, () => !isRunning(pid))
}

/** Ends a process and waits for it. */
export async function endProcess(pid: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!isRunning(pid)) return
  process.kill(pid, signal)
  await processEnd(pid)
}

/** Waits for something only another process can bring about. @throws Error naming it after `deadlineMs`. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const givenUpAt = performance.now() + deadlineMs
  while (!(await isSo())) {
    if (performance.now() > givenUpAt)
      throw new Error(`waited ${deadlineMs} ms in vain for ${what}`)
    await wait(POLL_MS)
  }
}
