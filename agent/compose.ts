import { hostname } from 'node:os'
import { AccountDirectory } from '../protocol/account-directory.ts'
import type { Environment } from '../protocol/agent-address.ts'
import type { AgentOptions } from '../protocol/agent-options.ts'
import type { DeriveKey } from '../protocol/file-key.ts'
import { AccountWriter } from './accounts/account-saver.ts'
import { withIssuerOverrides } from './accounts/issuer-overrides.ts'
import { knownIssuersReader } from './accounts/known-issuers.ts'
import { Keyring } from './accounts/loaded-accounts.ts'
import { Lock } from './accounts/lock.ts'
import { ScratchStore } from './accounts/parked-files.ts'
import { DeviceSessions } from './accounts/pending-logins.ts'
import { subjectTokenReader } from './accounts/subject-token.ts'
import type { Log } from './log.ts'
import { AuthorizationSessions } from './login/code-logins.ts'
import type { OpenIdProvider } from './oidc/provider.ts'
import type { AgentContext } from './services.ts'
import { ManagedTokenFiles } from './token-files/kept-files.ts'
import { TokenFileRegistry } from './token-files/kept-records.ts'
import { identityOfProcess } from './token-files/process-identity.ts'
import { Refresher } from './tokens/refresher.ts'
import { TokenService } from './tokens/token-service.ts'
import type { Runtime } from './world.ts'

export interface AgentParts {
  readonly options: AgentOptions
  readonly runtime: Runtime
  readonly log: Log
  readonly provider: OpenIdProvider
  readonly derive: DeriveKey
  /** Where accounts of CI jobs find the token they exchange. */
  readonly env: Environment
  /** Path of the config directory, where there is one now. */
  readonly configDirectory: () => string | undefined
}

/** Puts the agent together: the same for the daemon and for tests in process. */
export function createAgent(parts: AgentParts): AgentContext {
  const { options, runtime, log, derive, configDirectory, env } = parts
  const knownIssuers = knownIssuersReader(configDirectory)
  const provider = withIssuerOverrides(parts.provider, { knownIssuers, log })
  const directory = (): AccountDirectory | undefined => {
    const path = configDirectory()
    return path === undefined ? undefined : new AccountDirectory(path)
  }
  const writer = new AccountWriter({ directory, derive, runtime, log })
  const readSubjectToken = subjectTokenReader(env, provider)
  const refresher = new Refresher({ provider, writer, readSubjectToken })
  const tokens = new TokenService({ refresher, provider, runtime, log })
  const accounts = new Keyring(runtime, {
    added: ({ name }) => tokenFiles.accountLoaded(name),
    removed: (loaded) => {
      tokens.forget(loaded)
      tokenFiles.accountLeft(loaded.name)
    },
  })
  const tokenFiles = new ManagedTokenFiles({
    accounts,
    tokens,
    records: tokenFileRegistry(configDirectory),
    confirm: options.confirm,
    runtime,
    log,
    uid: process.geteuid?.() ?? 0,
  })
  const lock = new Lock({ accounts, derive, settled: () => tokens.settled(), runtime })
  return {
    options,
    runtime,
    log,
    provider,
    accounts,
    tokens,
    writer,
    tokenFiles,
    lock,
    readSubjectToken,
    deviceSessions: new DeviceSessions(runtime),
    authorizationSessions: new AuthorizationSessions({ runtime, isLocked: () => lock.isLocked }),
    scratchStore: new ScratchStore(),
    directory,
    knownIssuers,
  }
}

function tokenFileRegistry(directory: () => string | undefined): TokenFileRegistry {
  const self = identityOfProcess(process.pid) ?? { pid: process.pid, started: '' }
  return new TokenFileRegistry({ directory, host: hostname(), self })
}
