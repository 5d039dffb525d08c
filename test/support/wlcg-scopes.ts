/** The WLCG profile's audience for a token that is good everywhere. */
export const WLCG_ANY = 'https://wlcg.cern.ch/jwt/v1/any'

/** What discovery publishes as supported; a path scope stands there with the root path, as in IAM. */
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
 * Whether a granted scope is enough for the one asked: the same word, or a path below the granted
 * one (WLCG Common JWT Profile, "storage.read:/foo/bar covers /foo/bar/qux, not /foo/bargain").
 */
function covers(granted: string, asked: string): boolean {
  if (granted === asked) return true
  const [operation, path] = split(granted)
  const [askedOperation, askedPath] = split(asked)
  if (path === undefined || askedPath === undefined || operation !== askedOperation) return false
  const folder = path.endsWith('/') ? path : `${path}/`
  return askedPath.startsWith(folder) && !askedPath.split('/').includes('..')
}

/** The words of `asked` that some word of `granted` covers. */
export function covered(granted: Iterable<string>, asked: Iterable<string>): string[] {
  const held = [...granted]
  return [...asked].filter((word) => held.some((one) => covers(one, word)))
}

/** The scope a client is registered with: what is supported of the wish, silently less, as in IAM. */
export function registrable(wish: string): string {
  const asked = wish.split(' ').filter((word) => word !== '')
  const held = SUPPORTED_SCOPES.filter((one) => asked.some((word) => covers(one, word)))
  return held.join(' ')
}

function split(scope: string): readonly [string, string | undefined] {
  const colon = scope.indexOf(':')
  return colon === -1 ? [scope, undefined] : [scope.slice(0, colon), scope.slice(colon + 1)]
}
