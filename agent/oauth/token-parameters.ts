import { words } from '../../protocol/storage/account.ts'
import type { ProviderProfile } from '../providers/profiles.ts'
import type { Client, TokenParameters } from './provider.ts'

/** The form fields that say what a token should be good for, in the provider's dialect. */
export function tokenRequestParameters(
  parameters: TokenParameters,
  client: Client,
  profile: ProviderProfile,
): URLSearchParams {
  const fields = new URLSearchParams()
  const audiences = words(parameters.audience)
  const parameter = client.audienceParameter ?? profile.audienceParameter
  const scopes =
    parameter === 'scope' ? scopesFor(audiences, words(parameters.scope)) : words(parameters.scope)
  if (scopes.length > 0) fields.set('scope', scopes.join(' '))
  if (audiences.length === 0) return fields
  if (parameter === 'resource' || parameter === 'both') {
    // RFC 8707 §2: one parameter per resource.
    for (const audience of audiences) fields.append('resource', audience)
  }
  if (parameter === 'audience' || parameter === 'both') {
    // IAM reads one list from one parameter and ignores a second one (wlcg.md §6, "Refresh").
    fields.set('audience', audiences.join(' '))
  }
  return fields
}

/** The same where a person is asked, who is to allow a refresh token. */
export function authorizationRequestParameters(
  parameters: TokenParameters,
  client: Client,
  profile: ProviderProfile,
): URLSearchParams {
  if (profile.offlineAccess === 'offline_access')
    return tokenRequestParameters(parameters, client, profile)
  // An unknown scope there, for which the whole request is refused.
  const scope = words(parameters.scope).filter((word) => word !== 'offline_access')
  return tokenRequestParameters({ ...parameters, scope: scope.join(' ') }, client, profile)
}

/** The same at a refresh. Without a scope it is for what was granted at first (RFC 6749 §6). */
export function refreshRequestParameters(
  parameters: TokenParameters,
  client: Client,
  profile: ProviderProfile,
): URLSearchParams {
  const fields = tokenRequestParameters(parameters, client, profile)
  const scopes = words(fields.get('scope') ?? '')
  if (profile.refreshScope === 'omitted' || scopes.length === 0) return fields
  if (!scopes.includes('offline_access'))
    fields.set('scope', [...scopes, 'offline_access'].join(' '))
  return fields
}

/**
 * Scopes that name the service, as `api://store/Read`; where none of those asked for does,
 * all that was granted there, which is called `.default`.
 */
function scopesFor(audiences: readonly string[], scopes: readonly string[]): readonly string[] {
  const missing = audiences.filter(
    (audience) => !scopes.some((scope) => scope.startsWith(`${audience.replace(/\/$/, '')}/`)),
  )
  return [...scopes, ...missing.map((audience) => `${audience.replace(/\/$/, '')}/.default`)]
}
