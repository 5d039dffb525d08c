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
