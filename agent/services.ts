import type { AccountDirectory } from '../protocol/account-directory.ts'
import type { AgentOptions } from '../protocol/agent-options.ts'
import type { KnownIssuer } from '../protocol/issuer-config.ts'
import type { Replies, RequestOf, RequestType } from '../protocol/messages.ts'
import type { AccountSaver } from './accounts/account-saver.ts'
import type { LoadedAccounts } from './accounts/loaded-accounts.ts'
import type { Lock } from './accounts/lock.ts'
import type { ParkedFiles } from './accounts/parked-files.ts'
import type { PendingLogins } from './accounts/pending-logins.ts'
import type { ReadSubjectToken } from './accounts/subject-token.ts'
import type { Log } from './log.ts'
import type { CodeLogins } from './login/code-logins.ts'
import type { OpenIdProvider } from './oidc/provider.ts'
import type { KeptFiles } from './token-files/kept-files.ts'
import type { TokenService } from './tokens/token-service.ts'
import type { World } from './world.ts'

/** What handlers work with. */
export interface Services {
  readonly options: AgentOptions
  readonly world: World
  readonly log: Log
  readonly provider: OpenIdProvider
  readonly accounts: LoadedAccounts
  readonly tokens: TokenService
  readonly saver: AccountSaver
  readonly keptFiles: KeptFiles
  readonly lock: Lock
  readonly readSubjectToken: ReadSubjectToken
  readonly pendingLogins: PendingLogins
  readonly codeLogins: CodeLogins
  readonly parkedFiles: ParkedFiles
  /** Undefined where there is no config directory (yet). */
  readonly directory: () => AccountDirectory | undefined
  readonly knownIssuers: () => Promise<readonly KnownIssuer[]>
}

/** Answers one request. `signal` is aborted when the client has gone or the agent ends. */
export type Handler<T extends RequestType> = (
  request: RequestOf<T>,
  services: Services,
  signal: AbortSignal,
) => Promise<Replies[T]> | Replies[T]
