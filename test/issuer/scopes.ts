import { type Provider, refuse } from './provider.ts'
import type { KnownClient } from './store.ts'

/** The words of a space separated list, each once. */
export function words(text: string | null | undefined): string[] {
  return [...new Set((text ?? '').split(' ').filter((word) => word !== ''))]
}

/** What `api://store/.default` stands for: all the client may have there (Entra). */
export function spelledOut(
  provider: Provider,
  client: KnownClient,
  asked: readonly string[],
): string[] {
  if (!provider.settings.audienceFromScope) return [...asked]
  return asked.flatMap((word) => {
    if (!word.endsWith('/.default')) return [word]
    const all = scopeOf(provider, client).filter((one) => apisOf([one])[0] === apisOf([word])[0])
    return all.length === 0 ? [word] : all
  })
}

/**
 * Whether a held scope includes the asked one. IAM compares paths as plain text, so that
 * `storage.read:/a` includes `storage.read:/ab` (IAM: StructuredPathScopeMatcher).
 */
function includes({ settings }: Provider, held: string, asked: string): boolean {
  if (held === asked) return true
  // `wlcg.groups:/vo` asks for one group of those the scope `wlcg.groups` stands for.
  if (asked.startsWith('wlcg.groups:')) return held === 'wlcg.groups'
  return settings.pathNarrowing === 'plain prefix' && held.includes(':/') && asked.startsWith(held)
}

/** Of the asked scopes, those that something held includes. */
function included(provider: Provider, held: readonly string[], asked: readonly string[]): string[] {
  return asked.filter((word) => held.some((one) => includes(provider, one, word)))
}

/** The scopes a client may ask for. */
export function scopeOf({ settings }: Provider, client: KnownClient): readonly string[] {
  return client.scope ?? settings.systemScopes
}

/** What discovery publishes: not the restricted ones, though an approved client may use them. */
export function publishedScopes({ settings }: Provider): string[] {
  return settings.systemScopes.filter((scope) => !startsWithOneOf(scope, settings.restrictedScopes))
}

/** What a registration gets of the scopes it names: less, without a word, where some are refused. */
export function registrableScopes(provider: Provider, asked: readonly string[]): string[] {
  return included(provider, publishedScopes(provider), asked)
}

/** What the person's own policies leave of a scope (IAM: DefaultScopeFilter). */
export function permitted({ settings }: Provider, scope: readonly string[]): string[] {
  return scope.filter((word) => !startsWithOneOf(word, settings.scopesWithheld))
}

/**
 * Refuses scopes that cannot be read, and those the client may not have.
 * @throws Refused
 */
export function checkForClient(
  provider: Provider,
  client: KnownClient,
  asked: readonly string[],
  reason: 'deviceScope' | 'scopeNotForClient' = 'scopeNotForClient',
): void {
  // Entra: one token is for one API, and so is a request.
  const isForSeveral = provider.settings.audienceFromScope && apisOf(asked).length > 1
  if (isForSeveral) refuse(provider, 'scopeMalformed', asked.join(' '), client.id)
  const held = scopeOf(provider, client)
  for (const word of asked) {
    // WLCG Common JWT Profile, "Scope-based attribute selection": a group is an absolute path.
    if (/^wlcg\.groups:(?!\/[\w.-]+(\/[\w.-]+)*$)/.test(word))
      refuse(provider, 'scopeMalformed', word)
    if (held.some((one) => includes(provider, one, word))) continue
    refuse(provider, reason, word, client.id)
  }
}

/**
 * The scope of a refresh (RFC 6749 §6).
 * @throws Refused for more than was granted.
 */
export function refreshScope(
  provider: Provider,
  client: KnownClient,
  granted: readonly string[],
  asked: readonly string[],
): readonly string[] {
  if (asked.length === 0) return granted
  checkForClient(provider, client, asked)
  const narrowed = included(provider, granted, asked)
  if (narrowed.length < asked.length && provider.settings.widening === 'refused') {
    refuse(provider, 'scopeTooWide', asked.filter((word) => !narrowed.includes(word)).join(' '))
  }
  return asked
}

/** The API that scopes like `api://store/Read` are of, where the provider goes by that. */
export function apisOf(scope: readonly string[]): string[] {
  const apis = scope.filter((word) => word.includes('://'))
  return [...new Set(apis.map((word) => word.slice(0, word.lastIndexOf('/'))))]
}

function startsWithOneOf(text: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => text.startsWith(prefix))
}
