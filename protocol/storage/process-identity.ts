import { readFileSync } from 'node:fs'
import { systemCode } from '../wire/errors.ts'

/** A process, also after its pid is used again. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, in clock ticks since the machine did; empty where the system does not tell. */
  readonly started: string
}

/** The process of that pid, undefined where none runs: a zombie does not. */
export function identityOfProcess(pid: number): ProcessIdentity | undefined {
  if (process.platform !== 'linux') return answersSignals(pid) ? { pid, started: '' } : undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // proc_pid_stat(5): the name in brackets may hold anything; state is field 3, start time field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, started = ''] = [fields[0], fields[19]]
    return state === 'Z' || state === 'X' ? undefined : { pid, started }
  } catch {
    return undefined
  }
}

/** Whether that very process still runs. */
export function isAlive({ pid, started }: ProcessIdentity): boolean {
  return identityOfProcess(pid)?.started === started
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}
