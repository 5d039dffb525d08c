import type { AgentAddress } from '../../protocol/client.ts'
import type { PlainReply } from '../../protocol/messages.ts'
import type { Io } from '../run.ts'
import type { Terminal } from '../terminal.ts'
import type { AddOptions } from './options.ts'

/** The machine `oidc-add` runs on, where it is more than {@link Io}. */
export interface AddHost {
  /** @throws AgentError `no-terminal` */
  openTerminal(): Terminal
  /** Where the administrator's issuer files are, if not at the usual place. */
  readonly systemDirectory?: string
}

/** What each thing `oidc-add` does works with. */
export interface AddContext {
  readonly options: AddOptions
  readonly io: Io
  readonly host: AddHost
  readonly agent: AgentAddress | undefined
  /** Opened at the first question. */
  readonly terminal: () => Terminal
  /** Said to a person who asked for it by `--verbose`. */
  readonly explain: (line: string) => void
}

/** `success` is for scripts, what else the agent has to say for the person. */
export function tellSuccess({ stdout, stderr }: Io, { info }: PlainReply): void {
  stdout.write('success\n')
  if (info !== undefined) stderr.write(`${info}\n`)
}
