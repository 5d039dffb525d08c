import type { Client, OpenIdProvider, TokenResponse } from '../../agent/oauth/provider.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import type { Issuer } from '../issuer/start-issuer.ts'
import type { KnownClient } from '../issuer/store.ts'
import { clientAt, noAbort, providerConfig } from './oidc-client.ts'

/** A client and its tokens after a login at the scriptable provider. */
export interface IssuerLogin {
  readonly client: Client
  readonly tokens: TokenResponse
  readonly refreshToken: Secret
}

/** A client of the provider, as an account contains it. */
export function clientFrom(
  issuer: Issuer,
  known: KnownClient,
  changes: Partial<Client> = {},
): Client {
  const isPublic = known.authMethod === 'none'
  return clientAt(providerConfig(issuer.issuer, issuer.caPath), {
    id: known.id,
    secret: isPublic ? undefined : new Secret(known.secret ?? ''),
    isPublic,
    ...changes,
  })
}

/** Logs in by device code, approved at once. */
export async function loginAt(
  issuer: Issuer,
  oidc: OpenIdProvider,
  client: Client,
  scope = 'openid offline_access',
): Promise<IssuerLogin> {
  const device = await oidc.deviceAuthorization(client, { scope, audience: undefined }, noAbort())
  issuer.approve(device.user_code)
  const tokens = await oidc.deviceAccessToken(client, device.device_code, noAbort())
  if (tokens.refreshToken === undefined) throw new Error('no refresh token came')
  return { client, tokens, refreshToken: tokens.refreshToken }
}
