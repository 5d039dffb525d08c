import { isJsonObject } from '../../../protocol/wire/json.ts'
import type { JsonObject, JsonValue, UnixSeconds } from '../../../protocol/wire/messages.ts'

/** The profile of a token, by its claim `ver` or `wlcg.ver`. */
export type Profile =
  /** WLCG Common JWT Profile 1.0. */
  | { readonly kind: 'wlcg' }
  /** SciTokens 2.0. */
  | { readonly kind: 'scitokens' }
  /** Neither claim: services apply the rules of SciTokens 1.0. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly fault: string }

/** The content of a token, parsed and not checked. */
export interface TokenClaims {
  readonly text: string
  readonly header: JsonObject
  readonly claims: JsonObject
  readonly profile: Profile
  readonly subject: string | undefined
  readonly issuer: string | undefined
  /** Empty if there is none. */
  readonly audience: readonly string[]
  /** Undefined if the claim is missing or no string. */
  readonly scopes: readonly string[] | undefined
  readonly groups: readonly string[]
  readonly issuedAt: UnixSeconds | undefined
  readonly notBefore: UnixSeconds | undefined
  readonly expiresAt: UnixSeconds | undefined
  readonly algorithm: string | undefined
  readonly keyId: string | undefined
  readonly type: string | undefined
}

/** Parses a signed JWT (RFC 7519, compact serialization of RFC 7515 §3.1); undefined if it is not one. */
export function readToken(text: string): TokenClaims | undefined {
  const parts = text.split('.')
  const [head = '', body = ''] = parts
  const header = partOf(head)
  const claims = partOf(body)
  if (parts.length !== 3 || header === undefined || claims === undefined) return undefined
  const scope = textOf(claims['scope'])
  return {
    text,
    header,
    claims,
    profile: profileOf(claims),
    subject: textOf(claims['sub']),
    issuer: textOf(claims['iss']),
    audience: textsOf(claims['aud']),
    scopes: scope?.split(' ').filter((word) => word !== ''),
    groups: textsOf(claims['wlcg.groups']),
    issuedAt: numberOf(claims['iat']),
    notBefore: numberOf(claims['nbf']),
    expiresAt: numberOf(claims['exp']),
    algorithm: textOf(header['alg']),
    keyId: textOf(header['kid']),
    type: textOf(header['typ']),
  }
}

function partOf(text: string): JsonObject | undefined {
  if (!/^[\w-]+$/.test(text)) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** As in the SciTokens library, `ver` takes precedence over `wlcg.ver` (wlcg.md §3). */
function profileOf(claims: JsonObject): Profile {
  const { ver } = claims
  if (ver !== undefined) {
    if (ver === 'scitoken:2.0' || ver === 'scitokens:2.0') return { kind: 'scitokens' }
    return {
      kind: 'unknown',
      fault: `ver is ${JSON.stringify(ver)}, services accept "scitoken:2.0"`,
    }
  }
  const wlcg = claims['wlcg.ver']
  if (wlcg === undefined) return { kind: 'none' }
  if (wlcg === '1.0') return { kind: 'wlcg' }
  return {
    kind: 'unknown',
    fault: `wlcg.ver is ${JSON.stringify(wlcg)}, services accept only the string "1.0"`,
  }
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function numberOf(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** A scope with a path, as `storage.read:/data` (WLCG Common JWT Profile, "Capability based authorization"). */
export interface ScopeParts {
  readonly right: string
  /** Undefined if there is none. */
  readonly path: string | undefined
}

/** Splits a scope at its first colon. */
export function scopeParts(scope: string): ScopeParts {
  const colon = scope.indexOf(':')
  if (colon === -1) return { right: scope, path: undefined }
  return { right: scope.slice(0, colon), path: scope.slice(colon + 1) }
}

/** What the profile forbids in the path of a scope; undefined if it is valid. */
export function pathFault(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return 'has no path; one is mandatory, / for everything'
  if (!path.startsWith('/')) return 'has a path that does not begin with /'
  const names = path.split('/')
  if (names.includes('..') || names.includes('.')) return 'has . or .. in its path'
  if (path.includes('//')) return 'has // in its path'
  return undefined
}

/**
 * Whether the path of a scope covers a file, compared by whole names: `/foo/bar` covers `/foo/bar/qux` and
 * not `/foo/bargain`. `file` is absolute and normalized. An invalid path covers nothing.
 */
export function covers(path: string | undefined, file: string): boolean {
  if (path === undefined || pathFault(path) !== undefined) return false
  const folder = path.endsWith('/') ? path : `${path}/`
  return file === path || `${file}/` === folder || file.startsWith(folder)
}

/** The meaning of scopes without a path, and of some with a fixed one. */
const plain: Readonly<Record<string, string>> = {
  'compute.read': 'see jobs',
  'compute.create': 'submit jobs',
  'compute.modify': 'change jobs',
  'compute.cancel': 'remove jobs',
  'condor:/READ': 'query HTCondor',
  'condor:/WRITE': 'submit, change and remove jobs in HTCondor',
  openid: 'know who you are',
  profile: 'know your name',
  email: 'know your e-mail address',
  offline_access: 'get tokens while you are away (refresh token)',
  wlcg: 'get a token of the WLCG profile',
  'wlcg.groups': 'name your groups',
}

/** The meaning of scopes with a path, without the path. */
const withPath: Readonly<Record<string, string>> = {
  'storage.read': 'read files',
  'storage.create': 'create files and directories without overwriting',
  'storage.modify': 'create, change, rename and delete files',
  'storage.stage': 'bring files from tape to disk',
  'storage.poll': 'query whether files are on disk',
  read: 'read files',
  write: 'create, change, rename and delete files',
}

/** The meaning of a scope in words; empty if it is unknown. */
export function scopeInWords(scope: string): string {
  const known = Object.hasOwn(plain, scope) ? plain[scope] : undefined
  if (known !== undefined) return known
  const { right, path } = scopeParts(scope)
  if (right === 'wlcg.groups' && path !== undefined) return `name your group ${path}`
  const what = Object.hasOwn(withPath, right) ? withPath[right] : undefined
  return what === undefined ? '' : `${what} ${placeOf(path)}`
}

function placeOf(path: string | undefined): string {
  if (path === undefined || path === '') return '(the path is missing)'
  return path === '/' ? 'everywhere' : `below ${path}`
}
