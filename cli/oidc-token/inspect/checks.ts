import type { UnixSeconds } from '../../../protocol/wire/messages.ts'
import { durationOf, instantOf, shellQuote } from '../../../protocol/wire/text.ts'
import { pathFault, scopeParts, type TokenClaims } from './claims.ts'
import type { Operation } from './operation.ts'
import type { TokenSource } from './source.ts'

/** What a service checks before it accepts a token. */
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
  /** What was found; if not ok, why a service refuses the token. */
  readonly reason: string
}

/** A check that passes. */
export function ok(name: CheckName, reason: string): Check {
  return { name, ok: true, reason }
}

/** A check that fails. */
export function notOk(name: CheckName, reason: string): Check {
  return { name, ok: false, reason }
}

/** The largest token that XRootD accepts at a login of root:// (`maxsz` of ztn, wlcg.md §5). */
const MAX_TOKEN_BYTES = 4096

/** The audience for all services (WLCG Common JWT Profile; SciTokens 2.0). */
export const WLCG_ANY = 'https://wlcg.cern.ch/jwt/v1/any'
export const SCITOKENS_ANY = 'ANY'

/**
 * The rules of the profiles by which a service refuses a token, without the signature. Rules that only the
 * SciTokens library has are included: nearly every grid service reads tokens with it.
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
  return notOk('algorithm', `${algorithm ?? 'no alg'}: services accept only RS256 and ES256`)
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
        'neither wlcg.ver nor ver: scopes like storage.read have no meaning then',
      )
    case 'unknown':
      return notOk('profile', profile.fault)
  }
}

function issuer({ issuer }: TokenClaims): Check {
  if (issuer === undefined || issuer === '') return notOk('issuer', 'no iss')
  if (issuer.startsWith('https://')) return ok('issuer', issuer)
  return notOk('issuer', `${issuer} is not an https URL`)
}

function subject({ subject }: TokenClaims): Check {
  if (subject === undefined || subject === '') return notOk('subject', 'no sub')
  return ok('subject', subject)
}

function audience({ audience, profile }: TokenClaims): Check {
  if (audience.length > 0) return ok('audience', audience.join(' '))
  if (profile.kind === 'none') return ok('audience', 'none: services do not check it')
  return notOk('audience', 'no aud: ask for one with --aud')
}

function issued({ issuedAt }: TokenClaims, now: UnixSeconds): Check {
  if (issuedAt === undefined) return notOk('issued', 'no iat')
  return notInFuture('issued', issuedAt, now)
}

/** The SciTokens library requires `nbf`, which is optional in the profile, except in an RFC 9068 token. */
function starts({ notBefore, type }: TokenClaims, now: UnixSeconds): Check {
  if (notBefore !== undefined) return notInFuture('starts', notBefore, now)
  if (type === 'at+jwt') return ok('starts', 'no nbf, which a token of type at+jwt may leave out')
  return notOk('starts', 'no nbf: optional in the profile, but required by the SciTokens library')
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
  if (claims['scope'] !== undefined) return notOk('scope', 'scope is not a string')
  return notOk(
    'scope',
    groups.length === 0
      ? 'no scope'
      : 'no scope: the groups count only where a service maps them to rights',
  )
}

/** Services differ on such paths: XRootD interprets them, dCache refuses the token. */
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
    `${text.length} bytes: XRootD accepts at most ${MAX_TOKEN_BYTES} at a login of root://`,
  )
}

/**
 * Whether the client of a service accepts the token file that it finds. XRootD's client also checks mode
 * and size (wlcg.md §5), and reports only that no protocol was left to try.
 */
export function clientChecks({ place, file }: TokenSource, operation: Operation): readonly Check[] {
  if (file === undefined) return []
  if (!file.isBare) {
    return [
      notOk('file', `${place} holds JSON: programs expect the bare token in BEARER_TOKEN_FILE`),
    ]
  }
  if (operation.kind !== 'storage' || operation.protocol !== 'root') return []
  if ((file.mode & 0o077) !== 0) {
    const mode = (file.mode & 0o777).toString(8).padStart(4, '0')
    return [
      notOk(
        'file',
        `mode ${mode}: xrdcp refuses a file that others may use; chmod 600 ${shellQuote(place)}`,
      ),
    ]
  }
  if (file.bytes > MAX_TOKEN_BYTES) {
    return [notOk('file', `${file.bytes} bytes: xrdcp refuses more than ${MAX_TOKEN_BYTES}`)]
  }
  return [ok('file', `only yours, ${file.bytes} bytes`)]
}
