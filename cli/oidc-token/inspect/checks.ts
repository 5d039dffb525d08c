import type { UnixSeconds } from '../../../protocol/wire/messages.ts'
import { durationOf, instantOf } from '../../../protocol/wire/text.ts'
import { pathFault, scopeParts, type TokenClaims } from './claims.ts'
import type { Operation } from './operation.ts'
import type { TokenSource } from './source.ts'

/** What a service looks at before it takes a token. */
export type CheckName =
  | 'signature'
  | 'algorithm'
  | 'profile'
  | 'issuer'
  | 'subject'
  | 'audience'
  | 'issued'
  | 'starts'
  | 'expires'
  | 'scope'
  | 'paths'
  | 'size'
  | 'file'
  | 'access'

/** One rule, and whether a token follows it. */
export interface Check {
  readonly name: CheckName
  readonly ok: boolean
  /** What was found, or the reason a service would have for refusing the token. */
  readonly reason: string
}

/** A rule that is followed. */
export function ok(name: CheckName, reason: string): Check {
  return { name, ok: true, reason }
}

/** A rule that is not. */
export function notOk(name: CheckName, reason: string): Check {
  return { name, ok: false, reason }
}

/** XRootD takes no larger one at the login of root:// (`maxsz` of ztn, wlcg.md §5). */
const MAX_TOKEN_BYTES = 4096

/** The words for "whoever it is" (WLCG Common JWT Profile; SciTokens 2.0). */
export const WLCG_ANY = 'https://wlcg.cern.ch/jwt/v1/any'
export const SCITOKENS_ANY = 'ANY'

/**
 * The rules of the profiles, as far as a service refuses what does not follow them; the signature is
 * for `signature.ts`. Where the SciTokens library wants more than the profile, so do we: nearly every
 * grid service reads tokens with it.
 */
export function tokenChecks(token: TokenClaims, now: UnixSeconds): readonly Check[] {
  return [
    algorithm(token),
    profile(token),
    issuer(token),
    subject(token),
    audience(token),
    issued(token, now),
    starts(token, now),
    expires(token, now),
    scope(token),
    ...paths(token),
    size(token),
  ]
}

function algorithm({ algorithm }: TokenClaims): Check {
  if (algorithm === 'RS256' || algorithm === 'ES256') return ok('algorithm', algorithm)
  return notOk('algorithm', `${algorithm ?? 'no alg'}: services take only RS256 and ES256`)
}

function profile({ profile }: TokenClaims): Check {
  switch (profile.kind) {
    case 'wlcg':
      return ok('profile', 'WLCG 1.0')
    case 'scitokens':
      return ok('profile', 'SciTokens 2.0')
    case 'none':
      return notOk(
        'profile',
        'neither wlcg.ver nor ver: scopes like storage.read mean nothing then',
      )
    case 'unknown':
      return notOk('profile', profile.fault)
  }
}

function issuer({ issuer }: TokenClaims): Check {
  if (issuer === undefined || issuer === '') return notOk('issuer', 'no iss')
  if (issuer.startsWith('https://')) return ok('issuer', issuer)
  return notOk('issuer', `${issuer} is no https address`)
}

function subject({ subject }: TokenClaims): Check {
  if (subject === undefined || subject === '') return notOk('subject', 'no sub: nobody to act for')
  return ok('subject', subject)
}

function audience({ audience, profile }: TokenClaims): Check {
  if (audience.length > 0) return ok('audience', audience.join(' '))
  if (profile.kind === 'none') return ok('audience', 'none, so that it is not looked at')
  return notOk('audience', 'no aud: ask for one with --aud')
}

function issued({ issuedAt }: TokenClaims, now: UnixSeconds): Check {
  if (issuedAt === undefined) return notOk('issued', 'no iat')
  return notInFuture('issued', issuedAt, now)
}

/** The library wants `nbf`, though the profile does not, but not in an RFC 9068 token. */
function starts({ notBefore, type }: TokenClaims, now: UnixSeconds): Check {
  if (notBefore !== undefined) return notInFuture('starts', notBefore, now)
  if (type === 'at+jwt') return ok('starts', 'no nbf, which a token of type at+jwt may leave out')
  return notOk('starts', 'no nbf: optional in the profile, but the SciTokens library wants it')
}

function notInFuture(name: CheckName, at: UnixSeconds, now: UnixSeconds): Check {
  if (at <= now) return ok(name, `since ${instantOf(at)}`)
  return notOk(name, `only from ${instantOf(at)}, in ${durationOf(at - now)}`)
}

function expires({ expiresAt }: TokenClaims, now: UnixSeconds): Check {
  if (expiresAt === undefined) return notOk('expires', 'no exp')
  if (expiresAt > now) return ok('expires', `${durationOf(expiresAt - now)} left`)
  return notOk('expires', `expired ${durationOf(now - expiresAt)} ago`)
}

function scope({ scopes, groups, claims }: TokenClaims): Check {
  if (scopes !== undefined) {
    if (scopes.length === 0) return notOk('scope', 'scope is empty: the token allows nothing')
    return ok('scope', scopes.join(' '))
  }
  if (claims['scope'] !== undefined) return notOk('scope', 'scope is not one text')
  return notOk(
    'scope',
    groups.length === 0
      ? 'no scope'
      : 'no scope: the groups count only where a service maps them to rights',
  )
}

/** XRootD makes the best of such paths, dCache refuses the token: nothing to build on. */
function paths({ scopes = [] }: TokenClaims): readonly Check[] {
  const storage = scopes.filter((one) => one.startsWith('storage.'))
  if (storage.length === 0) return []
  const faults = storage.flatMap((one) => {
    const fault = pathFault(scopeParts(one).path)
    return fault === undefined ? [] : [`${one} ${fault}`]
  })
  return [faults.length === 0 ? ok('paths', 'all absolute') : notOk('paths', faults.join('; '))]
}

function size({ text }: TokenClaims): Check {
  if (text.length <= MAX_TOKEN_BYTES) return ok('size', `${text.length} bytes`)
  return notOk(
    'size',
    `${text.length} bytes: XRootD takes at most ${MAX_TOKEN_BYTES} at a login of root://`,
  )
}

/**
 * Whether the client of a service takes the file in which it finds a token. XRootD's looks at more
 * than what is in it (wlcg.md §5), and says only that no protocol was left to try.
 */
export function clientChecks({ place, file }: TokenSource, operation: Operation): readonly Check[] {
  if (file === undefined) return []
  if (!file.isBare) {
    return [
      notOk('file', `${place} holds JSON: programs want the token alone in BEARER_TOKEN_FILE`),
    ]
  }
  if (operation.kind !== 'storage' || operation.protocol !== 'root') return []
  if ((file.mode & 0o077) !== 0) {
    const mode = (file.mode & 0o777).toString(8).padStart(4, '0')
    return [
      notOk('file', `mode ${mode}: xrdcp refuses a file that others may use; chmod 600 ${place}`),
    ]
  }
  if (file.bytes > MAX_TOKEN_BYTES) {
    return [notOk('file', `${file.bytes} bytes: xrdcp refuses more than ${MAX_TOKEN_BYTES}`)]
  }
  return [ok('file', `only yours, ${file.bytes} bytes`)]
}
