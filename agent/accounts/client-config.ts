import type { Account, ProviderConfig } from '../../protocol/storage/account.ts'
import type { Client, ClientAuthentication } from '../oauth/provider.ts'

/** Where the provider of an account is and whom to trust for it. */
export function providerOf(account: Account): ProviderConfig {
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
    isPublic: isPublic(account),
    deviceAuthorizationEndpoint: account.deviceAuthorizationEndpoint,
    audienceParameter: account.audienceParameter,
    authentication: authenticationOf(account),
  }
}

function isPublic({ usesPublicClient, clientSecret, privateKeyFile }: Account): boolean {
  return usesPublicClient || (clientSecret === undefined && privateKeyFile === undefined)
}

/** RFC 7591 §2 names; what is not set or not known is left to discovery. */
function authenticationOf({ authenticationMethod, privateKeyFile }: Account): ClientAuthentication {
  switch (authenticationMethod) {
    case 'none':
      return { kind: 'none' }
    case 'client_secret_basic':
      return { kind: 'basic' }
    case 'client_secret_post':
      return { kind: 'post' }
    case 'private_key_jwt':
      if (privateKeyFile === undefined) return { kind: 'automatic' }
      return { kind: 'private_key_jwt', keyFile: privateKeyFile }
    case undefined:
    default:
      return { kind: 'automatic' }
  }
}
