import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Environment } from '../protocol/client.ts'
import { AgentError } from '../protocol/errors.ts'

/** What is passed on to the process we stand for. */
const forwarded = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const
/** What a terminal sends to all of its foreground processes at once. */
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT'])

/**
 * Runs a command in our place: our streams, our signals. Resolves to the exit status a shell would
 * give: the command's own, or 128 + the number of the signal that ended it.
 * @throws AgentError `command-not-run`.
 */
export async function runCommand(words: readonly string[], env: Environment): Promise<number> {
  const [file = '', ...args] = words
  try {
    return await statusOf(() => spawn(file, args, { env, stdio: 'inherit' }), inForeground)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AgentError('command-not-run', `cannot run '${file}': ${reason}`, { cause })
  }
}

/**
 * Passes on the signals that come to us, from before the child's start to its end, and gives its
 * exit status. Those of a terminal are left out while `reached` says that they reach it anyway.
 */
export async function statusOf(
  start: () => ChildProcess,
  reached: () => boolean = () => false,
): Promise<number> {
  let child: ChildProcess | undefined
  const pass = (signal: NodeJS.Signals): void => {
    if (!fromTerminal.has(signal) || !reached()) child?.kill(signal)
  }
  for (const signal of forwarded) process.on(signal, pass)
  try {
    child = start()
    return await exitOf(child)
  } finally {
    for (const signal of forwarded) process.removeListener(signal, pass)
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) =>
      resolve(status ?? 128 + constants.signals[signal ?? 'SIGKILL']),
    )
  })
}

/**
 * Whether we are in the foreground of a terminal, so that its Ctrl-C has reached the command too: a
 * second one would be more than the person pressed.
 */
function inForeground(): boolean {
  try {
    // proc_pid_stat(5): after the name in brackets come state, ppid, pgrp, session, tty, tpgid.
    const stat = readFileSync('/proc/self/stat', 'latin1')
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return group === foreground
  } catch {
    return process.stdin.isTTY
  }
}
