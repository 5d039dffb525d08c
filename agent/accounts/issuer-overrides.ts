import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { audienceParameterOf, sameIssuer } from '../../protocol/storage/account.ts'
import {
  issuerFilesState,
  type KnownIssuer,
  readKnownIssuers,
} from '../../protocol/storage/issuer-config.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { Log } from '../log.ts'
import type { Client, OpenIdProvider } from '../oauth/provider.ts'
import { profileNamed } from '../providers/profiles.ts'

/** What the overrides are taken from. */
export interface IssuerOverrides {
  readonly knownIssuers: () => Promise<readonly KnownIssuer[]>
  readonly log: Log
}

/** What the issuer files say of how a provider is spoken to. */
type Override = Pick<ProviderConfig, 'profile'> & Pick<Client, 'audienceParameter'>

/**
 * `provider`, taken for what issuer.config says it is, and asked for audiences as it says
 * (`legacy_aud_mode`, cli.md §1.8), where the account itself does not.
 */
export function withIssuerOverrides(
  provider: OpenIdProvider,
  overrides: IssuerOverrides,
): OpenIdProvider {
  const at = async (address: ProviderConfig): Promise<ProviderConfig> => {
    const { profile } = await configured(address.issuer, overrides)
    return { ...address, profile }
  }
  const told = async (client: Client): Promise<Client> => {
    const { profile, audienceParameter } = await configured(client.provider.issuer, overrides)
    return {
      ...client,
      provider: { ...client.provider, profile },
      audienceParameter: client.audienceParameter ?? audienceParameter,
    }
  }
  return {
    discover: async (address, signal) => provider.discover(await at(address), signal),
    refreshTokenGrant: async (client, grant, signal) =>
      provider.refreshTokenGrant(await told(client), grant, signal),
    deviceAuthorization: async (client, requested, signal) =>
      provider.deviceAuthorization(await told(client), requested, signal),
    authorizationUrl: async (client, request, signal) =>
      provider.authorizationUrl(await told(client), request, signal),
    authorizationCodeGrant: async (client, answer, signal) =>
      provider.authorizationCodeGrant(await told(client), answer, signal),
    passwordGrant: async (client, grant, signal) =>
      provider.passwordGrant(await told(client), grant, signal),
    clientCredentialsGrant: async (client, requested, signal) =>
      provider.clientCredentialsGrant(await told(client), requested, signal),
    tokenExchange: async (client, grant, signal) =>
      provider.tokenExchange(await told(client), grant, signal),
    deviceAccessToken: (client, deviceCode, signal) =>
      provider.deviceAccessToken(client, deviceCode, signal),
    register: async (address, registration, signal) =>
      provider.register(await at(address), registration, signal),
    deleteClient: (registered, signal) => provider.deleteClient(registered, signal),
    revokeToken: (client, refreshToken, signal) =>
      provider.revokeToken(client, refreshToken, signal),
    jwks: (address, signal) => provider.jwks(address, signal),
    ciToken: (request, signal) => provider.ciToken(request, signal),
    close: () => provider.close(),
  }
}

/** Nothing where the issuer files say nothing, or nothing that can be read: no reason for no token. */
async function configured(
  issuer: string,
  { knownIssuers, log }: IssuerOverrides,
): Promise<Override> {
  const nothing = { profile: undefined, audienceParameter: undefined }
  try {
    const known = (await knownIssuers()).find((one) => sameIssuer(one.issuer, issuer))
    return known === undefined ? nothing : overrideIn(known, log)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    log.warn(error.message)
    return nothing
  }
}

function overrideIn(known: KnownIssuer, log: Log): Override {
  const { issuer, provider, audienceParameter: word, legacyAudienceMode: isLegacy } = known
  const profile = provider === undefined ? undefined : profileNamed(provider)
  if (profile === undefined && provider !== undefined) {
    log.warn(`the issuer files say of ${issuer} that it is '${provider}', which is not known here`)
  }
  const legacy = isLegacy === undefined ? undefined : isLegacy ? 'audience' : 'resource'
  return { profile, audienceParameter: audienceParameterOf(word) ?? legacy }
}

/**
 * What the issuer files say, read again only after one of them has changed: every token that is asked
 * of a provider needs it.
 */
export function knownIssuersReader(
  directory: () => string | undefined,
  systemDirectory?: string,
): () => Promise<readonly KnownIssuer[]> {
  let last: { readonly state: string; readonly issuers: readonly KnownIssuer[] } | undefined
  return async () => {
    const path = directory()
    const state = await issuerFilesState(path, systemDirectory)
    if (last?.state === state) return last.issuers
    const issuers = await readKnownIssuers(path, systemDirectory)
    last = { state, issuers }
    return issuers
  }
}
