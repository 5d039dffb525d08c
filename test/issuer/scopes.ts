import { type Provider, refuse } from './provider.ts'
import type { KnownClient } from './store.ts'

/** The words of a space-separated list, without repetitions. */
export function words(text: string | null | undefined): string[] {
  return [...new Set((text ?? '').split(' ').filter((word) => word !== ''))]
}

/** Entra: replaces `api://store/.default` by all scopes of that API that the client may have. */
export function expandDefaultScopes(
  provider: Provider,
  client: KnownClient,
  requested: readonly string[],
): string[] {
  if (!provider.settings.audienceFromScope) return [...requested]
  return requested.flatMap((word) => {
    if (!word.endsWith('/.default')) return [word]
    const all = scopeOf(provider, client).filter((one) => apisOf([one])[0] === apisOf([word])[0])
    return all.length === 0 ? [word] : all
  })
}

/**
 * Whether a granted scope covers the requested one. IAM compares paths as plain text, so that
 * `storage.read:/a` includes `storage.read:/ab` (IAM: StructuredPathScopeMatcher).
 */
function includes({ settings }: Provider, held: string, requested: string): boolean {
  if (held === requested) return true
  // `wlcg.groups:/vo` requests one of the groups that the scope `wlcg.groups` grants.
  if (requested.startsWith('wlcg.groups:')) return held === 'wlcg.groups'
  return (
    settings.pathNarrowing === 'plain prefix' && held.includes(':/') && requested.startsWith(held)
  )
}

/** The requested scopes that a granted one covers. */
function included(
  provider: Provider,
  held: readonly string[],
  requested: readonly string[],
): string[] {
  return requested.filter((word) => held.some((one) => includes(provider, one, word)))
}

/** The scopes that a client may request. */
export function scopeOf({ settings }: Provider, client: KnownClient): readonly string[] {
  return client.scope ?? settings.systemScopes
}

/** The scopes that discovery publishes: not the restricted ones, although an approved client may use them. */
export function publishedScopes({ settings }: Provider): string[] {
  return settings.systemScopes.filter((scope) => !startsWithOneOf(scope, settings.restrictedScopes))
}

/** The scopes that a registration gets: those it may not have are silently dropped. */
export function registrableScopes(provider: Provider, requested: readonly string[]): string[] {
  return included(provider, publishedScopes(provider), requested)
}

/** The scopes that the person's policies allow (IAM: DefaultScopeFilter). */
export function permitted({ settings }: Provider, scope: readonly string[]): string[] {
  return scope.filter((word) => !startsWithOneOf(word, settings.scopesWithheld))
}

/**
 * Refuses malformed scopes, and those that the client may not have.
 * @throws OAuthError
 */
export function checkForClient(
  provider: Provider,
  client: KnownClient,
  requested: readonly string[],
  reason: 'deviceScope' | 'scopeNotForClient' = 'scopeNotForClient',
): void {
  // Entra: a token is for one API, and so is a request.
  const isForSeveral = provider.settings.audienceFromScope && apisOf(requested).length > 1
  if (isForSeveral) refuse(provider, 'scopeMalformed', requested.join(' '), client.id)
  const held = scopeOf(provider, client)
  for (const word of requested) {
    // WLCG Common JWT Profile, "Scope-based attribute selection": a group is an absolute path.
    if (/^wlcg\.groups:(?!\/[\w.-]+(\/[\w.-]+)*$)/.test(word))
      refuse(provider, 'scopeMalformed', word)
    if (held.some((one) => includes(provider, one, word))) continue
    refuse(provider, reason, word, client.id)
  }
}

/**
 * The scope of a refresh (RFC 6749 §6).
 * @throws OAuthError `scopeTooWide` if it exceeds the original grant.
 */
export function refreshScope(
  provider: Provider,
  client: KnownClient,
  granted: readonly string[],
  requested: readonly string[],
): readonly string[] {
  if (requested.length === 0) return granted
  checkForClient(provider, client, requested)
  const narrowed = included(provider, granted, requested)
  if (narrowed.length < requested.length && provider.settings.scopeUpgrade === 'refused') {
    refuse(provider, 'scopeTooWide', requested.filter((word) => !narrowed.includes(word)).join(' '))
  }
  return requested
}

/** The APIs of scopes such as `api://store/Read`. */
export function apisOf(scope: readonly string[]): string[] {
  const apis = scope.filter((word) => word.includes('://'))
  return [...new Set(apis.map((word) => word.slice(0, word.lastIndexOf('/'))))]
}

function startsWithOneOf(text: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => text.startsWith(prefix))
}
