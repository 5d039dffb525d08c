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
  readonly parentPid: number
  readonly directory: string
}

export function thisHost(): Host {
  return {
    execPath: process.execPath,
    execArgv: process.execArgv,
    daemon: join(dirname(realpathSync(process.argv[1] ?? '')), '..', 'agent.cjs'),
    parentPid: process.ppid,
    directory: process.cwd(),
  }
}
