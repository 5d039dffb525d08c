import { type Provider, secondsNow } from './provider.ts'
import type { Fields } from './response.ts'
import { scopeOf } from './scopes.ts'
import type { KnownClient } from './store.ts'

/** What a registered client is told about itself (RFC 7591 §3.2.1). */
export function registrationAnswer(
  provider: Provider,
  client: KnownClient,
  { withToken }: { withToken: boolean },
): Fields {
  const { registration } = client
  const path = provider.settings.paths.registration ?? ''
  return {
    ...registration?.metadata,
    client_id: client.id,
    ...(client.secret === undefined ? {} : { client_secret: client.secret }),
    token_endpoint_auth_method: client.authMethod,
    grant_types: client.grantTypes,
    scope: scopeOf(provider, client).join(' '),
    ...(withToken ? { registration_access_token: registration?.token } : {}),
    registration_client_uri: `${provider.origin}${path}/${client.id}`,
    ...productMembers(provider, client),
  }
}

function productMembers(provider: Provider, client: KnownClient): Fields {
  const now = secondsNow(provider)
  if (provider.settings.registrationAnswer === 'RFC 7591') {
    const secretMember = client.secret === undefined ? {} : { client_secret_expires_at: 0 }
    return { client_id_issued_at: now, ...secretMember }
  }
  // wlcg.md §6: no client_secret_expires_at, which RFC 7591 requires, and milliseconds.
  return { reuse_refresh_token: true, clear_access_tokens_on_refresh: true, created_at: now * 1000 }
}
