import { sameIssuer } from '../../protocol/account.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { KnownIssuer } from '../../protocol/issuer-config.ts'
import type { Log } from '../log.ts'
import type { AudienceParameter, Client, OpenIdProvider } from '../oidc/provider.ts'

/** What the overrides are taken from. */
export interface IssuerOverrides {
  readonly knownIssuers: () => Promise<readonly KnownIssuer[]>
  readonly log: Log
}

/**
 * `provider`, asked for audiences as `legacy_aud_mode` of issuer.config says it (cli.md §1.8), where
 * the account itself does not.
 */
export function withIssuerOverrides(
  provider: OpenIdProvider,
  overrides: IssuerOverrides,
): OpenIdProvider {
  const told = async (client: Client): Promise<Client> => {
    if (client.audienceParameter !== undefined) return client
    return { ...client, audienceParameter: await configured(client.provider.issuer, overrides) }
  }
  return {
    discover: (address, signal) => provider.discover(address, signal),
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
    register: (address, registration, signal) => provider.register(address, registration, signal),
    deleteClient: (registered, signal) => provider.deleteClient(registered, signal),
    revoke: (client, refreshToken, signal) => provider.revoke(client, refreshToken, signal),
    keys: (address, signal) => provider.keys(address, signal),
    ciToken: (request, signal) => provider.ciToken(request, signal),
    close: () => provider.close(),
  }
}

/** Undefined where the issuer files say nothing, or nothing that can be read: no reason for no token. */
async function configured(
  issuer: string,
  { knownIssuers, log }: IssuerOverrides,
): Promise<AudienceParameter | undefined> {
  try {
    const known = (await knownIssuers()).find((one) => sameIssuer(one.issuer, issuer))
    if (known?.legacyAudienceMode === undefined) return undefined
    return known.legacyAudienceMode ? 'audience' : 'resource'
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    log.warn(error.message)
    return undefined
  }
}
