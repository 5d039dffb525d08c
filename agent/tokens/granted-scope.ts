import { type Account, wordSet, words } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { SpaceSeparated } from '../../protocol/wire/messages.ts'
import type { TokenResponse } from '../oauth/provider.ts'

/**
 * The scopes (none = the account's default) and audiences that a request wants a token for, each once, in
 * the order of the request, in which many providers write them into the token.
 */
export interface RequestedToken {
  readonly scopes: readonly string[]
  readonly audiences: readonly string[]
  /** The cache key: equal for equal sets, whatever their order and spacing. */
  readonly key: string
}

export function requestedToken(
  scope: SpaceSeparated | undefined,
  audience: SpaceSeparated | undefined,
): RequestedToken {
  return {
    scopes: [...new Set(words(scope))],
    audiences: [...new Set(words(audience))],
    key: JSON.stringify([wordSet(scope), wordSet(audience)]),
  }
}

/** A request that names neither scopes nor audiences. */
export const defaultRequest = requestedToken(undefined, undefined)

/** `requested` with the account's own scopes and audience where it names none: for grants without an earlier login. */
export function withAccountDefaults(
  { authScope, audience }: Account,
  requested: RequestedToken,
): RequestedToken {
  const asked = requestedToken(authScope, audience)
  return {
    scopes: requested.scopes.length === 0 ? asked.scopes : requested.scopes,
    audiences: requested.audiences.length === 0 ? asked.audiences : requested.audiences,
    key: requested.key,
  }
}

/** With a larger difference, tokens fail at services, which usually allow one minute. */
const TOLERATED_SKEW_SECONDS = 60

/** OpenID Connect Core §5.4. */
const identityScopes: readonly string[] = ['openid', 'profile', 'email', 'address', 'phone']

/**
 * How the grant differs from the request, a line each; undefined if it does not. A provider may grant
 * fewer scopes without an error (RFC 6749 §3.3), and some ignore `audience`.
 */
export function compareGrant(
  requested: RequestedToken,
  response: TokenResponse,
): string | undefined {
  return joinedLines(scopeDifference(requested, response), audienceDifference(requested, response))
}

/** @throws AgentError `not-as-asked` if the token differs from the request */
export function assertGranted({ differences }: { readonly differences: string | undefined }): void {
  if (differences === undefined) return
  throw new AgentError('not-as-asked', `the token is not what was asked for: ${differences}`)
}

/**
 * {@link compareGrant} for a login, which requested the scopes and audience of the account. Without the
 * identity scopes: providers name those in a response in their own way, or not at all.
 */
export function compareLoginGrant(account: Account, response: TokenResponse): string | undefined {
  const asked = withAccountDefaults(account, defaultRequest)
  const scopes = asked.scopes.filter((scope) => !identityScopes.includes(scope))
  return compareGrant({ ...asked, scopes }, response)
}

/** A warning if this machine's clock differs from the provider's `Date`; undefined if it does not. */
export function clockWarning({ clockSkewSeconds }: TokenResponse): string | undefined {
  if (clockSkewSeconds === undefined || Math.abs(clockSkewSeconds) <= TOLERATED_SKEW_SECONDS) {
    return undefined
  }
  const side = clockSkewSeconds > 0 ? 'ahead of' : 'behind'
  const seconds = Math.round(Math.abs(clockSkewSeconds))
  return `this machine's clock is ${seconds} s ${side} the provider's: correct it, or services will refuse the token`
}

/** The texts that are not undefined, a line each; undefined if there are none. */
export function joinedLines(...texts: readonly (string | undefined)[]): string | undefined {
  const lines = texts.filter((text) => text !== undefined)
  return lines.length === 0 ? undefined : lines.join('\n')
}

function scopeDifference(requested: RequestedToken, response: TokenResponse): string | undefined {
  if (response.scope === undefined) return undefined
  const missing = missingScopes(requested.scopes, response.scope)
  if (missing.length === 0) return undefined
  return `the provider did not grant the scope ${missing.join(' ')}`
}

function audienceDifference(
  requested: RequestedToken,
  response: TokenResponse,
): string | undefined {
  if (response.audience === undefined) return undefined
  const granted = response.audience
  const missing = requested.audiences.filter((audience) => !granted.includes(audience))
  if (missing.length === 0) return undefined
  const others = granted.length === 0 ? ': it names none' : ` but for ${granted.join(' ')}`
  return `the token is not for the audience ${missing.join(' ')}${others}`
}

/** Requests a refresh token (OpenID Connect Core §11); never a scope of an access token. */
const OFFLINE_ACCESS = 'offline_access'
const GROUPS = 'wlcg.groups'

/**
 * The scopes of `asked` that `granted` does not cover. A storage scope covers all paths below its own,
 * compared by path components: storage.read:/a covers /a/b and not /ab (WLCG profile, "Capability based
 * authorization").
 */
export function missingScopes(
  asked: readonly string[],
  granted: SpaceSeparated,
): readonly string[] {
  const grants = words(granted)
  return asked.filter(
    (scope) => scope !== OFFLINE_ACCESS && !grants.some((grant) => covers(grant, scope)),
  )
}

/**
 * The scopes of `asked` that a login with `granted` cannot lead to. A refresh may select groups that the
 * login did not name (WLCG profile, "Scope-based attribute selection"), but may not get them.
 */
export function scopesBeyondGrant(
  asked: readonly string[],
  granted: SpaceSeparated,
): readonly string[] {
  const hasGroups = words(granted).includes(GROUPS)
  return missingScopes(asked, granted).filter(
    (scope) => !hasGroups || !scope.startsWith(`${GROUPS}:`),
  )
}

function covers(grant: string, scope: string): boolean {
  if (grant === scope) return true
  const [grantName, grantPath] = parted(grant)
  const [name, path] = parted(scope)
  if (grantName !== name || !name.startsWith('storage.')) return false
  if (grantPath === undefined || path === undefined) return false
  return isBelow(components(path), components(grantPath))
}

function parted(scope: string): [name: string, path: string | undefined] {
  const colon = scope.indexOf(':')
  return colon < 0 ? [scope, undefined] : [scope.slice(0, colon), scope.slice(colon + 1)]
}

function components(path: string): readonly string[] {
  return path.split('/').filter((component) => component !== '')
}

function isBelow(path: readonly string[], above: readonly string[]): boolean {
  // A path with .. may lead anywhere.
  if (path.includes('..')) return false
  return above.every((component, index) => path[index] === component)
}
