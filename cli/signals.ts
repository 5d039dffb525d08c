import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Environment } from '../protocol/wire/agent-options.ts'
import { AgentError, systemCode, systemReason } from '../protocol/wire/errors.ts'
import type { ExitOutcome } from './run.ts'

/** Calls `callback` at the first interrupt. Returns a function that stops listening. */
export type OnInterrupt = (callback: () => void) => () => void

/** Ctrl-C, the closing of the terminal, and the system's request to end. */
const signals = ['SIGINT', 'SIGHUP', 'SIGTERM'] as const

/** Listens to {@link signals}. A second signal has its default effect. */
export const onInterrupt: OnInterrupt = (callback) => {
  const heard = (signal: NodeJS.Signals): void => {
    // A cancelled command ends by SIGINT. Another signal that was sent ends it first.
    if (signal !== 'SIGINT') process.once('exit', () => process.kill(process.pid, signal))
    callback()
  }
  for (const signal of signals) process.once(signal, heard)
  return () => {
    for (const signal of signals) process.removeListener(signal, heard)
  }
}

/** Runs `work` with an AbortSignal that an interrupt aborts. */
export async function interruptible<T>(
  listen: OnInterrupt,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController()
  const release = listen(() => abort.abort())
  try {
    return await work(abort.signal)
  } finally {
    release()
  }
}

/** Signals that are passed on to the command: those that a person, systemd or a batch system sends. */
const forwarded = [
  ...(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const),
  ...(['SIGALRM', 'SIGXCPU'] as const),
] as const
/** Signals that a terminal sends to all of its foreground processes. */
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT'])
/**
 * Signals by which this process ends too if they ended the command. Its parent needs that: a loop in a
 * shell stops at Ctrl-C only then, and systemd does not report a unit that it stopped itself as failed.
 * Signals that would write a core file of this process are left out.
 */
const sharedEnds: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP'])

/**
 * Runs a command with the streams and signals of this process. Resolves to how this process is to end:
 * with the command's exit status, by the signal that ended it, or with 128 + its number as a shell would.
 * @throws AgentError `command-not-run`
 */
export async function runCommand(words: readonly string[], env: Environment): Promise<ExitOutcome> {
  const [file = '', ...args] = words
  try {
    return await outcomeOf(() => spawn(file, args, { env, stdio: 'inherit' }), inForeground)
  } catch (cause) {
    throw new AgentError('command-not-run', `cannot run '${file}': ${whyNot(cause)}`, { cause })
  }
}

/** The reason in a shell's words; Node's is `spawn NAME ENOENT`. */
function whyNot(error: unknown): string {
  const code = systemCode(error)
  if (code === 'ENOENT') return 'command not found'
  return code === 'EACCES' ? 'permission denied' : systemReason(error)
}

/**
 * Passes signals on to a child from before its start to its end. Resolves to how it ended.
 * @param reached whether signals of the terminal reach the child directly; they are not passed on then
 */
export async function outcomeOf(
  start: () => ChildProcess,
  reached: () => boolean = () => false,
): Promise<ExitOutcome> {
  let child: ChildProcess | undefined
  const pass = (signal: NodeJS.Signals): void => {
    if (!fromTerminal.has(signal) || !reached()) child?.kill(signal)
  }
  for (const signal of forwarded) process.on(signal, pass)
  try {
    child = start()
    return await endOf(child)
  } finally {
    for (const signal of forwarded) process.removeListener(signal, pass)
  }
}

function endOf(child: ChildProcess): Promise<ExitOutcome> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) => resolve(status ?? endBy(signal ?? 'SIGKILL')))
  })
}

function endBy(signal: NodeJS.Signals): ExitOutcome {
  return sharedEnds.has(signal) ? signal : 128 + constants.signals[signal]
}

/**
 * Whether this process is in the foreground of a terminal: the terminal's Ctrl-C has reached the command
 * too then, and must not be passed on a second time.
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
