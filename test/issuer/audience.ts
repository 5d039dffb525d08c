import type { Behaviour } from './behaviour.ts'
import { type Provider, refuse } from './provider.ts'
import { words } from './scopes.ts'
import type { Grant } from './store.ts'

/** The audience a request names. */
export interface RequestedAudience {
  readonly audience: readonly string[]
  /** Asked for with `resource` (RFC 8707). */
  readonly byResource: boolean
}

/**
 * Reads the audience from a form.
 * @throws Refused for a resource that is none, or that is not taken.
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
 * The audience of a refresh. One that was asked for with `resource` at first can only be narrowed
 * (RFC 8707 §2.2); `resource` comes too late where it was not (wlcg.md §6, "Refresh").
 * @throws Refused
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
  const given = repeatedAudienceRead ? fields.getAll(name) : [fields.get(name)]
  return given.flatMap((text) => words(text))
}

/** wlcg.md §6: a URL without query and fragment (RFC 8707 §2 forbids the fragment only). */
function checkResources(provider: Provider, resources: readonly string[]): void {
  for (const text of resources) {
    const isUrl = URL.canParse(text) && !/[?#]/.test(text)
    if (!isUrl) refuse(provider, 'resourceMalformed', text)
  }
}
