import { audienceParameterOf, sameIssuer } from '../../protocol/account.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { KnownIssuer } from '../../protocol/issuer-config.ts'
import type { Log } from '../log.ts'
import { familyName } from '../oidc/families.ts'
import type { Client, OpenIdProvider, ProviderAddress } from '../oidc/provider.ts'

/** What the overrides are taken from. */
export interface IssuerOverrides {
  readonly knownIssuers: () => Promise<readonly KnownIssuer[]>
  readonly log: Log
}

/** What the issuer files say of how a provider is spoken to. */
type Override = Pick<ProviderAddress, 'family'> & Pick<Client, 'audienceParameter'>

/**
 * `provider`, taken for what issuer.config says it is, and asked for audiences as it says
 * (`legacy_aud_mode`, cli.md §1.8), where the account itself does not.
 */
export function withIssuerOverrides(
  provider: OpenIdProvider,
  overrides: IssuerOverrides,
): OpenIdProvider {
  const at = async (address: ProviderAddress): Promise<ProviderAddress> => {
    const { family } = await configured(address.issuer, overrides)
    return { ...address, family }
  }
  const told = async (client: Client): Promise<Client> => {
    const { family, audienceParameter } = await configured(client.provider.issuer, overrides)
    return {
      ...client,
      provider: { ...client.provider, family },
      audienceParameter: client.audienceParameter ?? audienceParameter,
    }
  }
  return {
    discover: async (address, signal) => provider.discover(await at(address), signal),
    refresh: async (client, grant, signal) => provider.refresh(await told(client), grant, signal),
    startDevice: async (client, wish, signal) =>
      provider.startDevice(await told(client), wish, signal),
    authorizationUrl: async (client, request, signal) =>
      provider.authorizationUrl(await told(client), request, signal),
    exchangeCode: async (client, answer, signal) =>
      provider.exchangeCode(await told(client), answer, signal),
    password: async (client, grant, signal) => provider.password(await told(client), grant, signal),
    clientCredentials: async (client, wish, signal) =>
      provider.clientCredentials(await told(client), wish, signal),
    exchangeToken: async (client, grant, signal) =>
      provider.exchangeToken(await told(client), grant, signal),
    pollDevice: (client, deviceCode, signal) => provider.pollDevice(client, deviceCode, signal),
    register: async (address, registration, signal) =>
      provider.register(await at(address), registration, signal),
    deleteClient: (registered, signal) => provider.deleteClient(registered, signal),
    revoke: (client, refreshToken, signal) => provider.revoke(client, refreshToken, signal),
    keys: (address, signal) => provider.keys(address, signal),
    ciToken: (request, signal) => provider.ciToken(request, signal),
    close: () => provider.close(),
  }
}

/** Nothing where the issuer files say nothing, or nothing that can be read: no reason for no token. */
async function configured(
  issuer: string,
  { knownIssuers, log }: IssuerOverrides,
): Promise<Override> {
  const nothing = { family: undefined, audienceParameter: undefined }
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
  const family = provider === undefined ? undefined : familyName(provider)
  if (family === undefined && provider !== undefined) {
    log.warn(`the issuer files say of ${issuer} that it is '${provider}', which is not known here`)
  }
  const legacy = isLegacy === undefined ? undefined : isLegacy ? 'audience' : 'resource'
  return { family, audienceParameter: audienceParameterOf(word) ?? legacy }
}
