import type koffi from 'koffi'

type Native = typeof koffi
export type Libc = ReturnType<Native['load']>

/** Of prctl(2), which Node does not offer. */
const PR_SET_DUMPABLE = 4

/**
 * The C library, for calls that Node lacks.
 * @throws an error on another system than Linux, and without a prebuilt koffi
 */
export function loadLibc(): Libc {
  if (process.platform !== 'linux') throw new Error(`not on ${process.platform}`)
  // Loaded at run time: native code cannot be bundled, and every program also runs without it.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the bundle is CommonJS
  return (require('koffi') as Native).load('libc.so.6')
}

/** Forbids other processes of the user to trace this one or to read its memory. Returns whether it worked. */
export function forbidTracing(libc: Libc): boolean {
  const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)') as (
    ...n: number[]
  ) => number
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) === 0
}

let isHidden = false

/**
 * Protects the memory of a command that is about to read a secret, as the agent's is, where native calls are
 * to be had. It costs some milliseconds, so commands without a secret leave it out. From then on an ordinary
 * user cannot open /proc/self/environ of this process: what is needed from there is read before. Commands
 * that this process starts are as they would be otherwise.
 */
export function hideMemory(): void {
  if (isHidden) return
  isHidden = true
  try {
    forbidTracing(loadLibc())
  } catch {
    // The agent reports in its log that there are no native calls.
  }
}
