import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Environment } from '../protocol/wire/agent-options.ts'
import { AgentError, systemCode, systemReason } from '../protocol/wire/errors.ts'
import type { ExitOutcome } from './run.ts'

/** Waits to be told of the person's first Ctrl-C or hang-up; the function it returns ends that. */
export type OnInterrupt = (callback: () => void) => () => void

/** Ctrl-C, the closing of the terminal, and what a system sends before it kills. */
const signals = ['SIGINT', 'SIGHUP', 'SIGTERM'] as const

/** Any of {@link signals} at this process. A second one ends it as it does any program. */
export const onInterrupt: OnInterrupt = (callback) => {
  const heard = (signal: NodeJS.Signals): void => {
    // A cancelled command ends by SIGINT; the one that was sent comes before that.
    if (signal !== 'SIGINT') process.once('exit', () => process.kill(process.pid, signal))
    callback()
  }
  for (const signal of signals) process.once(signal, heard)
  return () => {
    for (const signal of signals) process.removeListener(signal, heard)
  }
}

/** Does `work` with a signal that an interrupt aborts. */
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

/** What is passed on to the process we stand for: what a person, systemd or a batch system sends. */
const forwarded = [
  ...(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const),
  ...(['SIGALRM', 'SIGXCPU'] as const),
] as const
/** What a terminal sends to all of its foreground processes at once. */
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT'])
/**
 * Signals by which we end too where they ended the command. Whoever waits for us asks for that: a loop
 * in a shell stops at Ctrl-C only then, and systemd takes what it stopped itself for no failure. Those
 * that would leave a core file of ours are not among them.
 */
const sharedEnds: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP'])

/**
 * Runs a command in our place: our streams, our signals. Resolves to how we are to end: with the
 * command's own exit status, by the signal that ended it, or with 128 + its number as a shell would.
 * @throws AgentError `command-not-run`.
 */
export async function runCommand(words: readonly string[], env: Environment): Promise<ExitOutcome> {
  const [file = '', ...args] = words
  try {
    return await outcomeOf(() => spawn(file, args, { env, stdio: 'inherit' }), inForeground)
  } catch (cause) {
    throw new AgentError('command-not-run', `cannot run '${file}': ${whyNot(cause)}`, { cause })
  }
}

/** In a shell's words: Node says `spawn NAME ENOENT`. */
function whyNot(error: unknown): string {
  const code = systemCode(error)
  if (code === 'ENOENT') return 'command not found'
  return code === 'EACCES' ? 'permission denied' : systemReason(error)
}

/**
 * Passes on the signals that come to us, from before the child's start to its end, and gives how it
 * ended. Those of a terminal are left out while `reached` says that they reach it anyway.
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
