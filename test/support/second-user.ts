import { spawnSync } from 'node:child_process'

/** A uid no account has: what it may not read or write, nobody but root may. */
const SOMEBODY = { uid: 54_321, gid: 54_321 }

/**
 * Another user to run commands as, where we are root and can; else undefined. An ordinary user is
 * subject to permissions without that.
 */
export const secondUser: { readonly uid: number; readonly gid: number } | undefined = find()

function find(): typeof SOMEBODY | undefined {
  if (process.getuid?.() !== 0) return undefined
  // The node that runs us may be in a home directory only we can enter.
  const probe = spawnSync(process.execPath, ['-e', '0'], { ...SOMEBODY, cwd: '/' })
  return probe.status === 0 ? SOMEBODY : undefined
}
