import { type Check, notOk, ok } from './check.ts'
import type { Host, Operation } from './service.ts'
import { SCITOKENS_ANY, WLCG_ANY } from './token-checks.ts'
import type { TokenClaims } from './token-facts.ts'

/**
 * Whether a service takes the audience of a token. What a site calls itself only it knows: `own` where
 * the person does, too; else what the profile or the product says it should be.
 */
export function audienceAt(
  token: TokenClaims,
  operation: Operation,
  own: string | undefined,
): Check {
  const { audience } = token
  const any = anyAudience(token)
  if (any !== undefined && audience.includes(any)) return ok('audience', `${any}: everywhere`)
  const names = own === undefined ? namesOf(operation) : [own]
  const [first = ''] = names
  if (audience.length === 0) {
    if (token.profile.kind === 'none') return ok('audience', 'none, so that it is not looked at')
    return notOk('audience', `no aud: ask for --aud=${first}`)
  }
  const found = names.find((name) => audience.includes(name))
  if (found !== undefined) return ok('audience', found)
  return notOk(
    'audience',
    `${audience.join(' ')}: ${whyOtherAudience(audience, first)}; ask for --aud=${first}, or for what the site says`,
  )
}

/** Each profile has its own word for it, and services do not take that of the other. */
function anyAudience({ profile }: TokenClaims): string | undefined {
  if (profile.kind === 'wlcg') return WLCG_ANY
  return profile.kind === 'scitokens' ? SCITOKENS_ANY : undefined
}

function namesOf(operation: Operation): readonly string[] {
  const { name, port } = operation.host
  // What HTCondor-CE is set up for unless it is told otherwise (wlcg.md §4).
  if (operation.kind === 'compute') return [`${name}:${port}`]
  const https = usual('https', operation.host, operation.protocol === 'https')
  const root = [`root://${name}:${port}`, `root://${name}`, `roots://${name}:${port}`]
  return [...https, ...root, `${name}:${port}`, name]
}

/** The profile's form leaves a default port out. */
function usual(scheme: string, { name, port, isDefaultPort }: Host, isOwn: boolean): string[] {
  const plain = `${scheme}://${name}`
  const withPort = `${plain}:${port}`
  return isOwn && !isDefaultPort ? [withPort, plain] : [plain, withPort]
}

function whyOtherAudience(audience: readonly string[], wanted: string): string {
  const bare = (one: string): string => one.toLowerCase().replace(/\/$/, '')
  return audience.some((one) => bare(one) === bare(wanted))
    ? 'compared letter by letter, so capitals and a slash at the end count'
    : 'another service'
}
