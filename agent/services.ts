import type { AccountDirectory } from '../protocol/account-directory.ts'
import type { AgentOptions } from '../protocol/agent-options.ts'
import type { KnownIssuer } from '../protocol/issuer-config.ts'
import type { Replies, RequestOf, RequestType } from '../protocol/messages.ts'
import type { AccountWriter } from './accounts/account-saver.ts'
import type { Keyring } from './accounts/loaded-accounts.ts'
import type { Lock } from './accounts/lock.ts'
import type { ScratchStore } from './accounts/parked-files.ts'
import type { DeviceSessions } from './accounts/pending-logins.ts'
import type { ReadSubjectToken } from './accounts/subject-token.ts'
import type { Log } from './log.ts'
import type { AuthorizationSessions } from './login/code-logins.ts'
import type { OpenIdProvider } from './oidc/provider.ts'
import type { ManagedTokenFiles } from './token-files/kept-files.ts'
import type { TokenService } from './tokens/token-service.ts'
import type { Runtime } from './world.ts'

/** What handlers work with. */
export interface AgentContext {
  readonly options: AgentOptions
  readonly runtime: Runtime
  readonly log: Log
  readonly provider: OpenIdProvider
  readonly accounts: Keyring
  readonly tokens: TokenService
  readonly writer: AccountWriter
  readonly tokenFiles: ManagedTokenFiles
  readonly lock: Lock
  readonly readSubjectToken: ReadSubjectToken
  readonly deviceSessions: DeviceSessions
  readonly authorizationSessions: AuthorizationSessions
  readonly scratchStore: ScratchStore
  /** Undefined where there is no config directory (yet). */
  readonly directory: () => AccountDirectory | undefined
  readonly knownIssuers: () => Promise<readonly KnownIssuer[]>
}

/** Answers one request. `signal` is aborted when the client has gone or the agent ends. */
export type Handler<T extends RequestType> = (
  request: RequestOf<T>,
  context: AgentContext,
  signal: AbortSignal,
) => Promise<Replies[T]> | Replies[T]
