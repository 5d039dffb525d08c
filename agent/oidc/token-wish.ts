import { words } from '../../protocol/account.ts'
import type { ProviderFamily } from './families.ts'
import type { Client, TokenWish } from './provider.ts'

/** The form fields that say what a token should be good for, in the provider's dialect. */
export function wishFields(
  wish: TokenWish,
  client: Client,
  family: ProviderFamily,
): URLSearchParams {
  const fields = new URLSearchParams()
  const audiences = words(wish.audience)
  const parameter = client.audienceParameter ?? family.audience
  const scopes = parameter === 'scope' ? scopesFor(audiences, words(wish.scope)) : words(wish.scope)
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
export function loginFields(
  wish: TokenWish,
  client: Client,
  family: ProviderFamily,
): URLSearchParams {
  if (family.offline === 'offline_access') return wishFields(wish, client, family)
  // An unknown scope there, for which the whole request is refused.
  const scope = words(wish.scope).filter((word) => word !== 'offline_access')
  return wishFields({ ...wish, scope: scope.join(' ') }, client, family)
}

/** The same at a refresh. Without a scope it is for what was granted at first (RFC 6749 §6). */
export function refreshFields(
  wish: TokenWish,
  client: Client,
  family: ProviderFamily,
): URLSearchParams {
  const fields = wishFields(wish, client, family)
  const scopes = words(fields.get('scope') ?? '')
  if (family.refreshScope === 'omitted' || scopes.length === 0) return fields
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
