import { execFile } from 'node:child_process'
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { AgentAddress } from '../../protocol/client/call.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { PasswordAccess } from '../passwords.ts'
import { type Io, sanitized } from '../run.ts'
import { type OnInterrupt, onInterrupt } from '../signals.ts'
import { openTerminal } from '../terminal.ts'
import { PipedPrompter, type PromptChannels, type Prompter } from './prompter.ts'

/** The machine `oidc-gen` runs on, beyond {@link Io}. */
export interface GenHost extends PromptChannels {
  readonly hostName: string
  /** Directory of the administrator's issuer files; absent: the usual one. */
  readonly systemDirectory?: string
  /** Resolves after so many milliseconds, rejects when `signal` is aborted. */
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
  readonly onInterrupt: OnInterrupt
  /** Opens a web page in the person's browser; `failed` is called if that is not possible. */
  readonly openBrowser: (url: string, failed: () => void) => void
}

/** What the steps of a login work with, beside their part of the plan. */
export interface GenIo {
  readonly io: Io
  readonly host: GenHost
  readonly agent: AgentAddress | undefined
  readonly prompter: Prompter
  readonly passwords: PasswordAccess
  /** Writes a line to stderr with --verbose. */
  readonly explain: (line: string) => void
}

/** The machine this process runs on. */
export function thisHost(env: Io['env']): GenHost {
  return {
    hostName: hostname(),
    openTerminal: () => openTerminal(env),
    openPipe: () =>
      new PipedPrompter(
        process.stdin,
        sanitized(() => process.stderr),
      ),
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

/** The URL is an argument of xdg-open itself: no shell interprets it. */
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
