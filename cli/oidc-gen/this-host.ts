import { execFile } from 'node:child_process'
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { AgentError } from '../../protocol/errors.ts'
import { onInterrupt } from '../interruptible.ts'
import { PipedPrompter } from '../piped-answers.ts'
import type { Io } from '../run.ts'
import { openTerminal } from '../terminal.ts'
import type { GenHost } from './setting.ts'

/** The machine this process runs on. */
export function thisHost(env: Io['env']): GenHost {
  return {
    hostName: hostname(),
    openTerminal: () => openTerminal(env),
    openPipe: () => new PipedPrompter(process.stdin, process.stderr),
    onInterrupt,
    openBrowser,
    pause: async (milliseconds, signal) => {
      try {
        await pause(milliseconds, undefined, { signal })
      } catch (cause) {
        throw new AgentError('cancelled', 'cancelled: interrupted', { cause })
      }
    },
  }
}

/** No shell sees the address. */
function openBrowser(url: string, failed: () => void): void {
  if (!/^https?:/.test(url)) return
  const child = execFile('xdg-open', [url], (error) => {
    if (error !== null) failed()
  })
  child.stdout?.destroy()
  child.stderr?.destroy()
  // It may live as long as the browser.
  child.unref()
}
