import { spawnSync } from 'node:child_process'
import { chown } from 'node:fs/promises'
import type { CommandLine } from './trust.ts'

/** xrootd does not run as root: Debian's package creates this user for it. */
export const SERVER_USER = 'xrootd'

/** The user of a server that this process starts. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** The user for a server: {@link SERVER_USER} if we are root, else ourselves; undefined if it does not exist. */
export function serverUser(): ServerUser | undefined {
  const uid = process.getuid?.()
  const gid = process.getgid?.()
  if (uid === undefined || gid === undefined) return undefined
  return uid === 0 ? lookUp(SERVER_USER) : { uid, gid }
}

/**
 * A command line that gives up all privileges, and is killed with the process that started it: a
 * server must not outlive a test run that crashed. (`xrootd -R` would undo the latter.)
 */
export function unprivileged({ uid, gid }: ServerUser, command: CommandLine): CommandLine {
  const user = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
  const change = process.getuid?.() === 0 ? user : ['--inh-caps=-all', '--ambient-caps=-all']
  return ['setpriv', ...change, '--pdeathsig=KILL', ...command]
}

/** Makes the server's user the owner of a file. */
export async function give(path: string, { uid, gid }: ServerUser): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, uid, gid)
}

function lookUp(name: string): ServerUser | undefined {
  const [uid, gid] = ['-u', '-g'].map((what) =>
    Number(spawnSync('id', [what, name], { encoding: 'utf8' }).stdout.trim() || Number.NaN),
  )
  if (uid === undefined || gid === undefined || Number.isNaN(uid + gid)) return undefined
  return { uid, gid }
}
