import { hostname } from 'node:os'
import { AccountDirectory } from '../protocol/account-directory.ts'
import type { Environment } from '../protocol/agent-address.ts'
import type { AgentOptions } from '../protocol/agent-options.ts'
import type { DeriveKey } from '../protocol/file-key.ts'
import { AccountSaver } from './accounts/account-saver.ts'
import { withIssuerOverrides } from './accounts/issuer-overrides.ts'
import { knownIssuersReader } from './accounts/known-issuers.ts'
import { LoadedAccounts } from './accounts/loaded-accounts.ts'
import { Lock } from './accounts/lock.ts'
import { ParkedFiles } from './accounts/parked-files.ts'
import { PendingLogins } from './accounts/pending-logins.ts'
import { subjectTokenReader } from './accounts/subject-token.ts'
import type { Log } from './log.ts'
import { CodeLogins } from './login/code-logins.ts'
import type { OpenIdProvider } from './oidc/provider.ts'
import type { Services } from './services.ts'
import { KeptFiles } from './token-files/kept-files.ts'
import { KeptRecords } from './token-files/kept-records.ts'
import { identityOfProcess } from './token-files/process-identity.ts'
import { Refresher } from './tokens/refresher.ts'
import { TokenService } from './tokens/token-service.ts'
import type { World } from './world.ts'

export interface AgentParts {
  readonly options: AgentOptions
  readonly world: World
  readonly log: Log
  readonly provider: OpenIdProvider
  readonly derive: DeriveKey
  /** Where accounts of CI jobs find the token they exchange. */
  readonly env: Environment
  /** Path of the config directory, where there is one now. */
  readonly configDirectory: () => string | undefined
}

/** Puts the agent together: the same for the daemon and for tests in process. */
export function composeServices(parts: AgentParts): Services {
  const { options, world, log, derive, configDirectory, env } = parts
  const knownIssuers = knownIssuersReader(configDirectory)
  const provider = withIssuerOverrides(parts.provider, { knownIssuers, log })
  const directory = (): AccountDirectory | undefined => {
    const path = configDirectory()
    return path === undefined ? undefined : new AccountDirectory(path)
  }
  const saver = new AccountSaver({ directory, derive, world, log })
  const readSubjectToken = subjectTokenReader(env, provider)
  const refresher = new Refresher({ provider, saver, readSubjectToken })
  const tokens = new TokenService({ refresher, provider, world, log })
  const accounts = new LoadedAccounts(world, {
    added: ({ name }) => keptFiles.accountLoaded(name),
    removed: (loaded) => {
      tokens.forget(loaded)
      keptFiles.accountLeft(loaded.name)
    },
  })
  const keptFiles = new KeptFiles({
    accounts,
    tokens,
    records: keptRecords(configDirectory),
    confirm: options.confirm,
    world,
    log,
    uid: process.geteuid?.() ?? 0,
  })
  const lock = new Lock({ accounts, derive, settled: () => tokens.settled(), world })
  return {
    options,
    world,
    log,
    provider,
    accounts,
    tokens,
    saver,
    keptFiles,
    lock,
    readSubjectToken,
    pendingLogins: new PendingLogins(world),
    codeLogins: new CodeLogins({ world, isLocked: () => lock.isLocked }),
    parkedFiles: new ParkedFiles(),
    directory,
    knownIssuers,
  }
}

function keptRecords(directory: () => string | undefined): KeptRecords {
  const self = identityOfProcess(process.pid) ?? { pid: process.pid, started: '' }
  return new KeptRecords({ directory, host: hostname(), self })
}
