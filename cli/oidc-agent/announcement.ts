import { NON_INTERACTIVE } from '../non-interactive.ts'
import { exportLine } from '../shell-words.ts'
import type { LauncherOptions } from './options.ts'
import type { Daemon } from './start-daemon.ts'

/** What a started agent is announced with: shell commands to `eval`, or JSON, byte for byte the C agent's. */
export function announcement(
  { socket, pid }: Pick<Daemon, 'socket' | 'pid'>,
  { json, quiet, nonInteractive }: Pick<LauncherOptions, 'json' | 'quiet' | 'nonInteractive'>,
): string {
  if (json) return `{\n\t"socket":\t${JSON.stringify(socket)},\n\t"dpid":\t"${pid}"\n}`
  const lines = [exportLine('OIDC_SOCK', socket), exportLine('OIDCD_PID', String(pid))]
  if (nonInteractive) lines.push(exportLine(NON_INTERACTIVE, '1'))
  if (!quiet) lines.push('echo Agent pid $OIDCD_PID')
  return lines.map((line) => `${line}\n`).join('')
}

/** What an agent that was ended leaves to `eval`. */
export function farewell(pid: number, { quiet }: Pick<LauncherOptions, 'quiet'>): string {
  const lines = ['unset OIDC_SOCK;', 'unset OIDCD_PID;']
  if (!quiet) lines.push(`echo Agent pid ${pid} killed;`)
  return lines.map((line) => `${line}\n`).join('')
}
