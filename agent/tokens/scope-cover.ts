import { words } from '../../protocol/account.ts'
import type { SpaceSeparated } from '../../protocol/messages.ts'

/** Asks for a refresh token; never a scope of an access token itself. */
const OFFLINE_ACCESS = 'offline_access'
const GROUPS = 'wlcg.groups'

/**
 * The scopes of `asked` that `granted` does not cover. A storage scope covers what is below its path,
 * compared by path components: storage.read:/a covers /a/b and not /ab (WLCG profile, "Capability
 * based authorization").
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
 * The scopes of `asked` that a login with `granted` cannot lead to. Which groups are wanted may be said
 * later (WLCG profile, "Scope-based attribute selection"); that they are in the token is not sure by that.
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
  // What climbs out again is below nothing.
  if (path.includes('..')) return false
  return above.every((component, index) => path[index] === component)
}
