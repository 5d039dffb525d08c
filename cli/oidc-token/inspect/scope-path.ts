/** A scope with a path, as `storage.read:/data` (WLCG Common JWT Profile, "Capability based authorization"). */
export interface ScopeParts {
  readonly right: string
  /** Undefined: there is none. */
  readonly path: string | undefined
}

/** Splits a scope at its first colon. */
export function scopeParts(scope: string): ScopeParts {
  const colon = scope.indexOf(':')
  if (colon === -1) return { right: scope, path: undefined }
  return { right: scope.slice(0, colon), path: scope.slice(colon + 1) }
}

/** What is wrong with a path in a scope, by the profile; undefined where nothing is. */
export function pathFault(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return 'has no path; one is mandatory, / for everything'
  if (!path.startsWith('/')) return 'has a path that does not begin with /'
  const names = path.split('/')
  if (names.includes('..') || names.includes('.')) return 'has . or .. in its path'
  if (path.includes('//')) return 'has // in its path'
  return undefined
}

/**
 * Whether a path in a scope covers a file: by whole names, so that `/foo/bar` covers `/foo/bar/qux` and
 * not `/foo/bargain`. `file` is absolute and normal. A path with a fault covers nothing.
 */
export function covers(path: string | undefined, file: string): boolean {
  if (path === undefined || pathFault(path) !== undefined) return false
  const folder = path.endsWith('/') ? path : `${path}/`
  return file === path || `${file}/` === folder || file.startsWith(folder)
}
