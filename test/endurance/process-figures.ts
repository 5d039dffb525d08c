import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What a process holds. */
export interface ProcessFigures {
  /** Resident memory, megabytes (proc(5), VmRSS). */
  readonly rss: number
  readonly descriptors: number
}

export function figuresOf(pid: number): ProcessFigures {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  }
}

/** Bytes of all logs below a directory. */
export function logBytes(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.log(\.\d+)?$/.test(name))
    .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
}

export const megabytes = (value: number): string => `${value.toFixed(0)} MB`
