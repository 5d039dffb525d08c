import { type Provider, refuse } from './provider.ts'
import { checkForClient, permitted, scopeOf, words } from './scopes.ts'
import type { Behaviour } from './settings.ts'
import type { Grant, KnownClient } from './store.ts'

/** What a grant takes from the flow that makes it. */
interface GrantOptions {
  readonly subject: string
  /** The error response for a scope that the client may not have. */
  readonly scopeError?: 'deviceScope' | 'scopeNotForClient'
  /** Google: `access_type=offline`; always true in the device flow. */
  readonly offline?: boolean
}

/**
 * A grant from the parameters of the request that starts the flow: scope, audience, nonce.
 * @throws OAuthError for a scope the client may not have, or an invalid audience.
 */
export function newGrant(
  provider: Provider,
  client: KnownClient,
  parameters: URLSearchParams,
  { subject, scopeError = 'scopeNotForClient', offline = false }: GrantOptions,
): Grant {
  const requested = words(parameters.get('scope'))
  // Only the scope names the API that the token is for.
  if (provider.settings.audienceFromScope && requested.length === 0) {
    refuse(provider, 'parameterMissing', 'scope')
  }
  checkForClient(provider, client, requested, scopeError)
  const scope = permitted(provider, requested.length > 0 ? requested : scopeOf(provider, client))
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

/** The audience that a request names. */
interface RequestedAudience {
  readonly audience: readonly string[]
  /** True: named by `resource` (RFC 8707). */
  readonly byResource: boolean
}

/**
 * Reads the audience from a form.
 * @throws OAuthError for a resource that is malformed or not supported.
 */
export function requestedAudience(provider: Provider, fields: URLSearchParams): RequestedAudience {
  const { settings } = provider
  if (settings.resourceRefused && fields.has('resource')) refuse(provider, 'resourceUnsupported')
  for (const name of settings.audienceParameters) {
    const values = valuesOf(settings, fields, name)
    if (values.length === 0) continue
    if (name === 'resource') checkResources(provider, values)
    return { audience: values, byResource: name === 'resource' }
  }
  return { audience: [], byResource: false }
}

/**
 * The audience of a refresh. If the first request had `resource`, the audience can only be narrowed
 * (RFC 8707 §2.2); if it had none, `resource` is an error (wlcg.md §6, "Refresh").
 * @throws OAuthError `resourceNotGranted`
 */
export function refreshAudience(
  provider: Provider,
  grant: Grant,
  { audience, byResource }: RequestedAudience,
): readonly string[] {
  if (audience.length === 0) return grant.audience
  if (byResource && !grant.bound) refuse(provider, 'resourceNotGranted')
  if (!grant.bound) return audience
  const common = grant.audience.filter((one) => audience.includes(one))
  return common.length > 0 ? common : refuse(provider, 'resourceNotGranted')
}

function valuesOf(
  { repeatedAudienceRead }: Behaviour,
  fields: URLSearchParams,
  name: string,
): string[] {
  const values = repeatedAudienceRead ? fields.getAll(name) : [fields.get(name)]
  return values.flatMap((text) => words(text))
}

/** wlcg.md §6: a URL without query and fragment (RFC 8707 §2 forbids the fragment only). */
function checkResources(provider: Provider, resources: readonly string[]): void {
  for (const text of resources) {
    const isUrl = URL.canParse(text) && !/[?#]/.test(text)
    if (!isUrl) refuse(provider, 'resourceMalformed', text)
  }
}
