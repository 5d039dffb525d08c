/** What the agent says of a provider. */
export interface Supported {
  readonly scopes: readonly string[]
  /** `iam`, for one; undefined where the agent does not tell. */
  readonly family: string | undefined
}

/** The scopes that were asked for by name, beside `max`, and for which client. */
export interface AskedScopes {
  readonly named: readonly string[]
  readonly supported: Supported
  readonly client: 'new' | 'given'
}

/** Scopes of grid services (WLCG Common JWT Profiles, "Capability based authorization"). */
const CAPABILITY = /^(?:storage|compute)\./
/** A storage without the path that says which part of it. */
const PATHLESS = /^storage\.\w+$/
/** The whole namespace of a storage. */
const ROOT_PATH = /^storage\.\w+:\/$/

/**
 * `scopes` as INDIGO IAM wants them (wlcg.md §6, "Quirks"); those of other providers as they are. The
 * person is told of each change.
 */
export function withIamRules(
  scopes: readonly string[],
  asked: AskedScopes,
  tell: (line: string) => void,
): readonly string[] {
  if (asked.supported.family !== 'iam') return scopes
  const pathless = scopes.filter((scope) => PATHLESS.test(scope))
  if (pathless.length > 0) {
    const [one = ''] = pathless
    tell(`Note: without a path ${pathless.join(' ')} is good for nothing; write ${one}:/path.`)
  }
  return withProfile(withoutRootPaths(scopes, asked, tell), asked, tell)
}

/** A person with a policy for a path below is refused all of `max` for them (indigo-iam/iam#987). */
function withoutRootPaths(
  scopes: readonly string[],
  { named }: AskedScopes,
  tell: (line: string) => void,
): readonly string[] {
  const left = scopes.filter((scope) => ROOT_PATH.test(scope) && !named.includes(scope))
  if (left.length === 0) return scopes
  tell(
    `Note: 'max' leaves out ${left.join(' ')}: few may have a whole storage. Ask for what you need by name, as in --scope='max storage.read:/home/you'.`,
  )
  return scopes.filter((scope) => !left.includes(scope))
}

/** Tokens of a client that is not registered for `wlcg` have no scope in them. */
function withProfile(
  scopes: readonly string[],
  { client, supported }: AskedScopes,
  tell: (line: string) => void,
): readonly string[] {
  if (scopes.includes('wlcg') || !scopes.some((scope) => CAPABILITY.test(scope))) return scopes
  if (client === 'given') {
    tell(
      'Note: INDIGO IAM puts scopes into the tokens of clients registered with the scope wlcg only; others are refused by every grid service.',
    )
    return scopes
  }
  if (!supported.scopes.includes('wlcg')) {
    tell(
      'Note: this INDIGO IAM does not offer the scope wlcg, without which its tokens carry no scope: ask its administrators.',
    )
    return scopes
  }
  tell(
    'Note: the scope wlcg was added: without it the tokens of INDIGO IAM carry no scope, and every grid service refuses them.',
  )
  return [...scopes, 'wlcg']
}
