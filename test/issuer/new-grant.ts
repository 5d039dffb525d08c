import { requestedAudience } from './audience.ts'
import { type Provider, refuse } from './provider.ts'
import { checkForClient, permitted, scopeOf, words } from './scopes.ts'
import type { Grant, KnownClient } from './store.ts'

/** Where a grant comes from. */
export interface GrantOrigin {
  readonly subject: string
  readonly scopeRefusal?: 'deviceScope' | 'scopeNotForClient'
  /** Google: `access_type=offline`; the device flow always is. */
  readonly offline?: boolean
}

/**
 * A grant from the parameters of the request that opens it: scope, audience, nonce.
 * @throws Refused for a scope the client may not have, or an audience that cannot be.
 */
export function newGrant(
  provider: Provider,
  client: KnownClient,
  parameters: URLSearchParams,
  { subject, scopeRefusal = 'scopeNotForClient', offline = false }: GrantOrigin,
): Grant {
  const asked = words(parameters.get('scope'))
  // Nothing else would say which API the token is for.
  if (provider.settings.audienceFromScope && asked.length === 0) {
    refuse(provider, 'parameterMissing', 'scope')
  }
  checkForClient(provider, client, asked, scopeRefusal)
  const scope = permitted(provider, asked.length > 0 ? asked : scopeOf(provider, client))
  const { audience, byResource } = requestedAudience(provider, parameters)
  return {
    clientId: client.id,
    subject,
    scope,
    audience,
    bound: byResource,
    nonce: parameters.get('nonce') ?? undefined,
    offline,
    revoked: false,
  }
}
