import { ClientConfigs } from '../../agent/accounts/client-config.ts'
import { silentLog } from '../../agent/log.ts'
import type { Client } from '../../agent/oauth/provider.ts'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { Secret } from '../../protocol/wire/secret.ts'

/** The configuration of a provider by its issuer. */
export function providerConfig(issuer: string, certPath?: string): ProviderConfig {
  return { issuer, configEndpoint: undefined, certPath }
}

/** A confidential client. */
export function clientAt(provider: ProviderConfig, changes: Partial<Client> = {}): Client {
  return {
    provider,
    id: 'client-1',
    secret: new Secret('client-secret-1'),
    isPublic: false,
    deviceAuthorizationEndpoint: undefined,
    audienceParameter: undefined,
    authentication: { kind: 'automatic' },
    ...changes,
  }
}

/** Configurations of accounts on a machine without issuer files. */
export const withoutIssuerFiles = new ClientConfigs({
  knownIssuers: () => Promise.resolve([]),
  log: silentLog,
})

/** A signal that is never aborted. */
export function noAbort(): AbortSignal {
  return new AbortController().signal
}

/** The AgentError with which `work` fails; any other outcome fails the test. */
export async function failureOf(work: Promise<unknown>): Promise<AgentError> {
  const outcome = await work.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (outcome instanceof AgentError) return outcome
  throw outcome
}
