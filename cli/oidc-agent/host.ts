import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What the launcher has to know of the process it is. */
export interface Host {
  /** The node that runs us. */
  readonly execPath: string
  /** Options given to it before the script. */
  readonly execArgv: readonly string[]
  /** The script of the daemon. */
  readonly daemon: string
  /** Milliseconds it has to bind its socket. */
  readonly startTimeoutMs: number
  readonly parentPid: number
  readonly directory: string
}

/** It takes some 200 ms; a machine under load gets the rest. */
const START_TIMEOUT_MS = 30_000

export function thisHost(): Host {
  return {
    execPath: process.execPath,
    execArgv: process.execArgv,
    daemon: join(dirname(realpathSync(process.argv[1] ?? '')), '..', 'agent.cjs'),
    startTimeoutMs: START_TIMEOUT_MS,
    parentPid: process.ppid,
    directory: process.cwd(),
  }
}
