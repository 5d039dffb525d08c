import { type Check, notOk, ok } from './check.ts'
import type { StorageOperation } from './operations.ts'
import { covers, pathFault, scopeParts } from './scope-path.ts'
import type { Operation } from './service.ts'
import type { TokenClaims } from './token-facts.ts'

type Right = 'read' | 'create' | 'modify'
type StorageUse = Extract<Operation, { kind: 'storage' }>

/** Sets of rights, of which one is enough, the one to ask for first. */
type Needs = readonly (readonly Right[])[]

const READ: Needs = [['read']]
const RENAME: Needs = [['modify'], ['read', 'create']]

/**
 * What XRootD wants for an operation; `test/xrootd` compares it with what a real one does. By the
 * profile both writing scopes allow stat, too: XRootD wants the scope for reading, and xrdcp looks
 * before it writes.
 */
const storageNeeds: Readonly<Record<'root' | 'https', Readonly<Record<StorageOperation, Needs>>>> =
  {
    root: {
      read: READ,
      stat: READ,
      list: READ,
      create: [['read', 'create']],
      write: [['read', 'modify']],
      overwrite: [['read', 'modify']],
      delete: [['modify']],
      mkdir: [['create']],
      rename: RENAME,
    },
    https: {
      read: READ,
      stat: READ,
      list: READ,
      create: [['create']],
      write: [['modify']],
      overwrite: [['modify']],
      delete: [['read', 'modify']],
      mkdir: [['create']],
      rename: RENAME,
    },
  }

/** What scopes of either profile give. `modify` holds all that `create` does. */
const given: Readonly<Record<string, readonly Right[]>> = {
  'storage.read': ['read'],
  'storage.create': ['create'],
  'storage.modify': ['create', 'modify'],
  read: ['read'],
  write: ['create', 'modify'],
}

function rightsOf(scope: string): readonly Right[] {
  // `constructor` is a name every object has.
  return Object.hasOwn(given, scope) ? (given[scope] ?? []) : []
}

/** Whether the scopes of a token cover an operation on a path. */
export function storageAccess(token: TokenClaims, operation: StorageUse): Check {
  const held = heldAt(token, operation.path)
  const wanted = storageNeeds[operation.protocol][operation.name]
  if (wanted.some((set) => set.every((right) => held.has(right)))) {
    return ok('access', `the scopes cover ${operation.name} of ${operation.path}`)
  }
  const [first = []] = wanted
  const missing = first.filter((right) => !held.has(right))
  const scopes = missing.map((right) => `${nameOf(right, token)}:${operation.path}`).join(' ')
  const because = missing.flatMap((right) => nearMisses(token, right, operation.path))
  return notOk('access', [`missing scope: ${scopes}`, ...because].join('; '))
}

function heldAt(token: TokenClaims, path: string): ReadonlySet<Right> {
  const counting = (token.scopes ?? []).map(scopeParts).filter(({ right }) => counts(right, token))
  const covering = counting.filter((parts) => covers(parts.path, path))
  return new Set(covering.flatMap(({ right }) => rightsOf(right)))
}

/** The names of WLCG are only known in a WLCG token; those of SciTokens in every one. */
function counts(right: string, { profile }: TokenClaims): boolean {
  return profile.kind === 'wlcg' || !right.startsWith('storage.')
}

function nameOf(right: Right, { profile }: TokenClaims): string {
  if (profile.kind !== 'scitokens') return `storage.${right}`
  return right === 'read' ? 'read' : 'write'
}

/** Why scopes that look like the missing one do not help. */
function nearMisses(token: TokenClaims, right: Right, path: string): readonly string[] {
  const alike = (token.scopes ?? []).filter((one) =>
    rightsOf(scopeParts(one).right).includes(right),
  )
  return [...new Set(alike)].map((one) => `${one} ${whyNotCovered(one, token, path)}`)
}

function whyNotCovered(scope: string, token: TokenClaims, file: string): string {
  const { right, path = '' } = scopeParts(scope)
  if (!counts(right, token)) return 'means nothing in a token without wlcg.ver "1.0"'
  const fault = pathFault(path)
  if (fault !== undefined) return `${fault}: some services take it, others do not`
  if (file.startsWith(path)) {
    return 'only begins like it, in the middle of a name: an old XRootD takes it, others do not'
  }
  if (covers(unescaped(path), file)) return 'is escaped, and compared as it is written'
  return 'is for another path'
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
