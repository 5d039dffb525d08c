import type { AgentAddress } from '../../protocol/client.ts'
import type { OnInterrupt } from '../interruptible.ts'
import type { PasswordSources } from '../password-source.ts'
import type { Io } from '../run.ts'
import type { PasswordWays } from '../unlock-account.ts'
import type { PromptChannels, Prompter } from './asker.ts'
import type { GenOptions } from './options.ts'

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
