import { hostname } from 'node:os'
import { AccountDirectory } from '../protocol/storage/account-directory.ts'
import type { DeriveKey } from '../protocol/storage/account-file.ts'
import type { KnownIssuer } from '../protocol/storage/issuer-config.ts'
import { identityOfProcess } from '../protocol/storage/process-identity.ts'
import type { AgentOptions, Environment } from '../protocol/wire/agent-options.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import type { Replies, RequestOf, RequestType } from '../protocol/wire/messages.ts'
import { AccountWriter } from './accounts/account-writer.ts'
import { ClientConfigs, knownIssuersReader } from './accounts/client-config.ts'
import { Keyring } from './accounts/keyring.ts'
import { Lock } from './accounts/lock.ts'
import type { Runtime } from './concurrency.ts'
import type { Log } from './log.ts'
import { AuthorizationSessions } from './login/authorization-sessions.ts'
import { DeviceSessions } from './login/device-sessions.ts'
import { ScratchStore } from './login/scratch-store.ts'
import type { OpenIdProvider } from './oauth/provider.ts'
import { type ReadSubjectToken, subjectTokenReader } from './oauth/subject-token.ts'
import { RestrictedSockets, type Share, type ShareServer } from './restricted-sockets.ts'
import { ManagedTokenFiles } from './token-files/managed-token-files.ts'
import { ProbeFiles } from './token-files/probe-files.ts'
import { TokenFileRegistry } from './token-files/registry.ts'
import { Refresher } from './tokens/refresher.ts'
import { TokenService } from './tokens/token-service.ts'

/** What handlers work with. */
export interface AgentContext {
  readonly options: AgentOptions
  readonly runtime: Runtime
  readonly log: Log
  readonly provider: OpenIdProvider
  readonly clientConfigs: ClientConfigs
  readonly keyring: Keyring
  readonly tokens: TokenService
  readonly writer: AccountWriter
  readonly tokenFiles: ManagedTokenFiles
  readonly probeFiles: ProbeFiles
  readonly lock: Lock
  readonly readSubjectToken: ReadSubjectToken
  readonly deviceSessions: DeviceSessions
  readonly authorizationSessions: AuthorizationSessions
  readonly scratchStore: ScratchStore
  readonly restrictedSockets: RestrictedSockets
  /** The nonces of the requests under way that have one: what a `check` asks for. */
  readonly running: Set<string>
  /** Undefined where there is no config directory (yet). */
  readonly directory: () => Promise<AccountDirectory | undefined>
  readonly knownIssuers: () => Promise<readonly KnownIssuer[]>
}

/** Answers one request. `signal` is aborted when the client has gone or the agent ends. */
export type Handler<T extends RequestType> = (
  request: RequestOf<T>,
  context: AgentContext,
  signal: AbortSignal,
) => Promise<Replies[T]> | Replies[T]

/** Answers one request on a restricted socket. */
export type SharedHandler<T extends RequestType> = (
  request: RequestOf<T>,
  share: Share,
  context: AgentContext,
  signal: AbortSignal,
) => Promise<Replies[T]> | Replies[T]

export interface AgentParts {
  readonly options: AgentOptions
  readonly runtime: Runtime
  readonly log: Log
  readonly provider: OpenIdProvider
  readonly derive: DeriveKey
  /** Where accounts of CI jobs find the token they exchange. */
  readonly env: Environment
  /** Path of the config directory, where there is one now. */
  readonly configDirectory: () => Promise<string | undefined>
  /** Starts the server of a restricted socket; an agent without sockets has none. */
  readonly listenShared?: (
    path: string,
    share: Share,
    context: AgentContext,
  ) => Promise<ShareServer>
}

/** Puts the agent together: the same for the daemon and for tests in process. */
export function createAgent(parts: AgentParts): AgentContext {
  const { options, runtime, log, provider, derive, configDirectory, env } = parts
  const { listenShared = noSockets } = parts
  const knownIssuers = knownIssuersReader(configDirectory)
  const clientConfigs = new ClientConfigs({ knownIssuers, log })
  const directory = async (): Promise<AccountDirectory | undefined> => {
    const path = await configDirectory()
    return path === undefined ? undefined : new AccountDirectory(path)
  }
  const writer = new AccountWriter({ directory, derive, runtime, log })
  const readSubjectToken = subjectTokenReader(env, provider)
  const refresher = new Refresher({ provider, clientConfigs, writer, readSubjectToken })
  const tokens = new TokenService({ refresher, provider, clientConfigs, runtime, log })
  const keyring = new Keyring(runtime, {
    added: (loaded) => {
      // It was unlocked, and its refresh token is still to be saved.
      writer.saveLater(loaded)
      tokenFiles.accountLoaded(loaded.name)
    },
    removed: ({ name }) => tokenFiles.accountLeft(name),
  })
  const tokenFiles = new ManagedTokenFiles({
    keyring,
    tokens,
    records: tokenFileRegistry(configDirectory),
    confirm: options.confirm,
    runtime,
    log,
    uid: process.geteuid?.() ?? 0,
  })
  const lock = new Lock({ keyring, derive, settled: () => tokens.settled(), runtime })
  const context: AgentContext = {
    options,
    runtime,
    log,
    provider,
    clientConfigs,
    keyring,
    tokens,
    writer,
    tokenFiles,
    probeFiles: new ProbeFiles(process.geteuid?.() ?? 0),
    lock,
    readSubjectToken,
    deviceSessions: new DeviceSessions(runtime),
    authorizationSessions: new AuthorizationSessions({ runtime, isLocked: () => lock.isLocked }),
    scratchStore: new ScratchStore(),
    restrictedSockets: new RestrictedSockets({
      listen: (path, share) => listenShared(path, share, context),
      runtime,
      log,
    }),
    running: new Set(),
    directory,
    knownIssuers,
  }
  return context
}

function noSockets(): Promise<never> {
  throw new AgentError('not-implemented', 'this agent has no sockets')
}

function tokenFileRegistry(directory: () => Promise<string | undefined>): TokenFileRegistry {
  const self = identityOfProcess(process.pid) ?? { pid: process.pid, started: '' }
  return new TokenFileRegistry({ directory, host: hostname(), self })
}
