import { type Check, notOk, ok, SCITOKENS_ANY, WLCG_ANY } from './checks.ts'
import { covers, pathFault, scopeParts, type TokenClaims } from './claims.ts'
import type {
  ComputeOperation,
  Host,
  Operation,
  StorageOperation,
  StorageUse,
} from './operation.ts'

type Right = 'read' | 'create' | 'modify'

/** Sets of rights, of which one is enough; the first is the one to recommend. */
type Needs = readonly (readonly Right[])[]

const READ: Needs = [['read']]
const RENAME: Needs = [['modify'], ['read', 'create']]

/**
 * The rights that XRootD requires; `test/xrootd` compares the table with a real server. By the profile both
 * writing scopes allow stat, too; XRootD requires the scope for reading, and xrdcp calls stat before it
 * writes.
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

/** The rights of a scope, in either profile. `modify` includes `create`. */
const given: Readonly<Record<string, readonly Right[]>> = {
  'storage.read': ['read'],
  'storage.create': ['create'],
  'storage.modify': ['create', 'modify'],
  read: ['read'],
  write: ['create', 'modify'],
}

function rightsOf(scope: string): readonly Right[] {
  // Not inherited names such as `constructor`.
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

/** Services read WLCG's scope names only in a WLCG token, those of SciTokens in any token. */
function counts(right: string, { profile }: TokenClaims): boolean {
  return profile.kind === 'wlcg' || !right.startsWith('storage.')
}

function nameOf(right: Right, { profile }: TokenClaims): string {
  if (profile.kind !== 'scitokens') return `storage.${right}`
  return right === 'read' ? 'read' : 'write'
}

/** Why scopes that give the missing right do not cover the path. */
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
  if (fault !== undefined) return `${fault}: some services accept it, others do not`
  if (file.startsWith(path)) {
    return 'only begins like it, in the middle of a name: an old XRootD accepts it, others do not'
  }
  if (covers(unescaped(path), file))
    return 'is percent-encoded, and services compare it without decoding'
  return 'is for another path'
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** HTCondor's one right to change jobs: all three scopes together (wlcg.md §4). */
const WRITE = ['compute.create', 'compute.modify', 'compute.cancel']

const computeNeeds: Readonly<
  Record<ComputeOperation, { readonly wlcg: readonly string[]; readonly condor: string }>
> = {
  submit: { wlcg: WRITE, condor: 'condor:/WRITE' },
  remove: { wlcg: WRITE, condor: 'condor:/WRITE' },
  query: { wlcg: ['compute.read'], condor: 'condor:/READ' },
}

/** Whether the scopes of a token allow an operation on jobs. */
export function computeAccess(token: TokenClaims, operation: ComputeOperation): Check {
  const { wlcg, condor } = computeNeeds[operation]
  const scopes = token.scopes ?? []
  if (scopes.includes(condor)) return ok('access', `${condor} allows ${operation}`)
  const missing = wlcg.filter((scope) => !scopes.includes(scope))
  const isWlcg = token.profile.kind === 'wlcg'
  if (isWlcg && missing.length === 0) return ok('access', `the scopes cover ${operation}`)
  if (token.profile.kind === 'scitokens') return notOk('access', `missing scope: ${condor}`)
  const words = missing.length === 0 ? [] : [`missing scope: ${missing.join(' ')}`]
  const version = isWlcg ? [] : ['scopes like compute.create mean nothing without wlcg.ver "1.0"']
  return notOk('access', [...words, ...version].join('; '))
}

/**
 * Whether a service accepts the audience of a token. Only the site knows the audience of its service: the
 * one of the command line counts, else those that the profile or the product prescribes.
 */
export function audienceAt(token: TokenClaims, operation: Operation): Check {
  const { audience } = token
  const any = anyAudience(token)
  if (any !== undefined && audience.includes(any)) return ok('audience', `${any}: everywhere`)
  const names = operation.audience === undefined ? namesOf(operation) : [operation.audience]
  const [first = ''] = names
  if (audience.length === 0) {
    if (token.profile.kind === 'none') return ok('audience', 'none: services do not check it')
    return notOk('audience', `no aud: ask for --aud=${first}`)
  }
  const found = names.find((name) => audience.includes(name))
  if (found !== undefined) return ok('audience', found)
  return notOk(
    'audience',
    `${audience.join(' ')}: ${whyOtherAudience(audience, first)}; ask for --aud=${first}, or for the audience that the site documents`,
  )
}

/** The audience for all services: each profile has its own, and services refuse that of the other. */
function anyAudience({ profile }: TokenClaims): string | undefined {
  if (profile.kind === 'wlcg') return WLCG_ANY
  return profile.kind === 'scitokens' ? SCITOKENS_ANY : undefined
}

function namesOf(operation: Operation): readonly string[] {
  const { name, port } = operation.host
  // The default of HTCondor-CE (wlcg.md §4).
  if (operation.kind === 'compute') return [`${name}:${port}`]
  const https = audienceForms('https', operation.host, operation.protocol === 'https')
  const root = [`root://${name}:${port}`, `root://${name}`, `roots://${name}:${port}`]
  return [...https, ...root, `${name}:${port}`, name]
}

/** The audience as the profile forms it: a default port is left out. */
function audienceForms(
  scheme: string,
  { name, port, isDefaultPort }: Host,
  isOwn: boolean,
): string[] {
  const plain = `${scheme}://${name}`
  const withPort = `${plain}:${port}`
  return isOwn && !isDefaultPort ? [withPort, plain] : [plain, withPort]
}

function whyOtherAudience(audience: readonly string[], wanted: string): string {
  const bare = (one: string): string => one.toLowerCase().replace(/\/$/, '')
  return audience.some((one) => bare(one) === bare(wanted))
    ? 'compared character by character, so capitals and a slash at the end count'
    : 'another service'
}
