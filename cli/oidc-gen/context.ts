import { execFile } from 'node:child_process'
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { AgentAddress } from '../../protocol/client/call.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { PasswordSources, PasswordWays } from '../passwords.ts'
import { type Io, sanitized } from '../run.ts'
import { type OnInterrupt, onInterrupt } from '../signals.ts'
import { openTerminal } from '../terminal.ts'
import type { GenOptions } from './options.ts'
import { PipedPrompter, type PromptChannels, type Prompter } from './prompter.ts'

/** The machine `oidc-gen` runs on, where it is more than {@link Io}. */
export interface GenHost extends PromptChannels {
  readonly hostName: string
  /** Where the administrator's issuer files are, if not at the usual place. */
  readonly systemDirectory?: string
  /** Resolves after so many milliseconds, rejects when `signal` is aborted. */
  pause(milliseconds: number, signal: AbortSignal): Promise<void>
  readonly onInterrupt: OnInterrupt
  /** Shows a web page to the person; `failed` is called where that cannot be. */
  openBrowser(url: string, failed: () => void): void
}

/** What each thing `oidc-gen` does works with. */
export interface GenContext {
  readonly options: GenOptions
  readonly io: Io
  readonly host: GenHost
  readonly agent: AgentAddress | undefined
  readonly prompter: Prompter
  readonly sources: PasswordSources
  /** From --rt or --rt-env. */
  readonly refreshToken: string | undefined
  /** Said to a person who asked for it by `--verbose`. */
  readonly explain: (line: string) => void
}

/** How an existing account file's password is come by. */
export function passwordWays({ sources, io, prompter }: GenContext): PasswordWays {
  return { sources, io, terminal: () => prompter.passwords() }
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
