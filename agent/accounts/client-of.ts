import type { Account } from '../../protocol/account.ts'
import type { Client, ProviderAddress } from '../oidc/provider.ts'

/** Where the provider of an account is and whom to trust for it. */
export function providerOf(account: Account): ProviderAddress {
  return {
    issuer: account.issuer,
    configEndpoint: account.configEndpoint,
    certPath: account.certPath,
  }
}

/** The client an account acts as. */
export function clientOf(account: Account): Client {
  return {
    provider: providerOf(account),
    id: account.clientId,
    secret: account.clientSecret,
    isPublic: account.usesPublicClient || account.clientSecret === undefined,
    deviceAuthorizationEndpoint: account.deviceAuthorizationEndpoint,
    audienceParameter: 'audience',
  }
}
