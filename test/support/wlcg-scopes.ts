/** The WLCG profile's audience for a token that every service accepts. */
export const WLCG_ANY = 'https://wlcg.cern.ch/jwt/v1/any'

/** The scopes that discovery publishes; path scopes with the root path, as at IAM. */
export const SUPPORTED_SCOPES: readonly string[] = [
  'openid',
  'offline_access',
  'profile',
  'email',
  'wlcg',
  'wlcg.groups',
  'compute.read',
  'compute.modify',
  'compute.create',
  'compute.cancel',
  'storage.read:/',
  'storage.create:/',
  'storage.modify:/',
  'storage.stage:/',
]

/**
 * Whether a granted scope covers the requested one: the same word, or a path below the granted
 * one (WLCG Common JWT Profile, "storage.read:/foo/bar covers /foo/bar/qux, not /foo/bargain").
 */
function covers(granted: string, requested: string): boolean {
  if (granted === requested) return true
  const [operation, path] = split(granted)
  const [requestedOperation, requestedPath] = split(requested)
  if (path === undefined || requestedPath === undefined || operation !== requestedOperation)
    return false
  const folder = path.endsWith('/') ? path : `${path}/`
  return requestedPath.startsWith(folder) && !requestedPath.split('/').includes('..')
}

/** The words of `requested` that some word of `granted` covers. */
export function covered(granted: Iterable<string>, requested: Iterable<string>): string[] {
  const held = [...granted]
  return [...requested].filter((word) => held.some((one) => covers(one, word)))
}

/** The scope that a client is registered with: unsupported words are silently dropped, as by IAM. */
export function registrable(scope: string): string {
  const requested = scope.split(' ').filter((word) => word !== '')
  const held = SUPPORTED_SCOPES.filter((one) => requested.some((word) => covers(one, word)))
  return held.join(' ')
}

function split(scope: string): readonly [string, string | undefined] {
  const colon = scope.indexOf(':')
  return colon === -1 ? [scope, undefined] : [scope.slice(0, colon), scope.slice(colon + 1)]
}
