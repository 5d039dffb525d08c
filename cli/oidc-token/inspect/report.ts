import type { JsonObject, UnixSeconds } from '../../../protocol/wire/messages.ts'
import { durationOf, instantOf, sanitize } from '../../../protocol/wire/text.ts'
import type { Check } from './checks.ts'
import { type Profile, scopeInWords, type TokenClaims } from './claims.ts'
import type { TokenSource } from './source.ts'

/** All that `--inspect` has found out about a token. */
export interface Report {
  readonly source: TokenSource
  readonly token: TokenClaims
  readonly now: UnixSeconds
  /** Empty without --verify and --for. */
  readonly checks: readonly Check[]
  /** `--for` and `--op`, as on the command line. */
  readonly target: { readonly url: string; readonly operation: string } | undefined
}

/** Whether the token passes all checks. */
export function isGood({ checks }: Pick<Report, 'checks'>): boolean {
  return checks.every((check) => check.ok)
}

type Line = readonly [label: string, value: string]

/**
 * The report for a person. All that a token says is foreign text: each line is sanitized, so that none
 * moves the cursor or begins a line of its own.
 */
export function reportText(report: Report): string {
  const { source, token, now, checks } = report
  const sections = [
    columns([['Token from', source.place], ...tokenLines(token, now)]),
    columns(checks.map(checkLine)),
    verdict(report),
  ].filter((section) => section !== '')
  return sections.join('\n')
}

function tokenLines(token: TokenClaims, now: number): readonly Line[] {
  return [
    ['Subject', token.subject ?? 'none (no sub)'],
    ['Issuer', token.issuer ?? 'none (no iss)'],
    ...each('Audience', token.audience, 'none'),
    ['Profile', profileText(token.profile)],
    ...each('Scopes', scopeLines(token.scopes ?? []), 'none'),
    ...(token.groups.length === 0 ? [] : each('Groups', token.groups, '')),
    ['Issued', since(token.issuedAt, now)],
    ['Valid from', since(token.notBefore, now)],
    ['Valid until', until(token.expiresAt, now)],
    ['Key', `${token.keyId ?? 'no kid'} (${token.algorithm ?? 'no alg'})`],
    ['Size', `${token.text.length} bytes`],
  ]
}

/** One line a value, with the label before the first. */
function each(label: string, values: readonly string[], none: string): readonly Line[] {
  if (values.length === 0) return [[label, none]]
  return values.map((value, index) => [index === 0 ? label : '', value])
}

function scopeLines(scopes: readonly string[]): readonly string[] {
  const width = Math.max(0, ...scopes.map((scope) => scope.length))
  return scopes.map((scope) => `${scope.padEnd(width)}  ${scopeInWords(scope)}`.trimEnd())
}

function profileText(profile: Profile): string {
  switch (profile.kind) {
    case 'wlcg':
      return 'WLCG 1.0'
    case 'scitokens':
      return 'SciTokens 2.0'
    case 'none':
      return 'none (neither wlcg.ver nor ver)'
    case 'unknown':
      return profile.fault
  }
}

function since(seconds: number | undefined, now: number): string {
  if (seconds === undefined) return 'not given'
  const away = seconds - now
  const distance = away > 0 ? `in ${durationOf(away)}` : `${durationOf(-away)} ago`
  return `${instantOf(seconds)} (${distance})`
}

function until(seconds: number | undefined, now: number): string {
  if (seconds === undefined) return 'not given'
  const left = seconds - now
  const distance = left > 0 ? `${durationOf(left)} left` : `expired ${durationOf(-left)} ago`
  return `${instantOf(seconds)} (${distance})`
}

function checkLine({ name, ok, reason }: Check): Line {
  return [`${ok ? 'ok    ' : 'not ok'}  ${name}`, reason]
}

function verdict({ target, checks }: Report): string {
  if (target === undefined) return ''
  const use = `${target.operation} ${target.url}`
  if (isGood({ checks })) return line(`This token should work for: ${use}`)
  const failed = checks.filter((check) => !check.ok).map(({ name }) => name)
  return line(`This token will not work for: ${use} (${failed.join(', ')})`)
}

function columns(lines: readonly Line[]): string {
  const width = Math.max(0, ...lines.map(([label]) => label.length))
  return lines.map(([label, value]) => line(`${label.padEnd(width)}  ${value}`)).join('')
}

function line(text: string): string {
  return `${sanitize(text, 'line')}\n`
}

/**
 * The report for programs, as JSON text. Its members are stable; later versions may add some. It has no
 * signature, so it cannot be used as a token.
 */
export function reportJson(report: Report): string {
  return `${sanitize(JSON.stringify(jsonOf(report), null, 2), 'json')}\n`
}

function jsonOf(report: Report): JsonObject {
  const { source, token, now } = report
  return {
    from: source.place,
    header: token.header,
    claims: token.claims,
    profile: token.profile.kind,
    subject: orNull(token.subject),
    issuer: orNull(token.issuer),
    audience: token.audience,
    scopes: (token.scopes ?? []).map((scope) => ({ scope, meaning: scopeInWords(scope) })),
    groups: token.groups,
    issued_at: orNull(token.issuedAt),
    not_before: orNull(token.notBefore),
    expires_at: orNull(token.expiresAt),
    seconds_left: token.expiresAt === undefined ? null : Math.floor(token.expiresAt - now),
    algorithm: orNull(token.algorithm),
    key_id: orNull(token.keyId),
    bytes: token.text.length,
    ...evaluation(report),
  }
}

/** Only with --verify or --for. */
function evaluation({ target, checks }: Report): JsonObject {
  if (checks.length === 0) return {}
  return {
    ...(target === undefined ? {} : { for: { url: target.url, op: target.operation } }),
    checks: checks.map(({ name, ok, reason }) => ({ name, ok, reason })),
    ok: isGood({ checks }),
  }
}

function orNull(value: string | number | undefined): string | number | null {
  return value ?? null
}
