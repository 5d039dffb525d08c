import type { JsonObject, UnixSeconds } from '../../../protocol/wire/messages.ts'
import { durationOf, instantOf } from '../../../protocol/wire/text.ts'
import type { Check } from './checks.ts'
import { type Profile, scopeInWords, type TokenClaims } from './claims.ts'
import type { TokenSource } from './source.ts'

/** All that is found out about a token. */
export interface Report {
  readonly source: TokenSource
  readonly token: TokenClaims
  readonly now: UnixSeconds
  /** Empty where nothing was to be judged. */
  readonly checks: readonly Check[]
  /** What it was judged for, as the person wrote it. */
  readonly target: { readonly url: string; readonly operation: string } | undefined
}

/** Whether nothing speaks against the token. */
export function isGood({ checks }: Pick<Report, 'checks'>): boolean {
  return checks.every((check) => check.ok)
}

type Line = readonly [label: string, value: string]

/** The report for a person. */
export function reportText(report: Report): string {
  const { source, token, now, checks } = report
  const sections = [
    columns([['Token from', source.place], ...tokenLines(token, now)]),
    columns(checks.map(checkLine)),
    answer(report),
  ].filter((section) => section !== '')
  return sections.join('\n')
}

function tokenLines(token: TokenClaims, now: number): readonly Line[] {
  return [
    ['Who', token.subject ?? 'nobody (no sub)'],
    ['Issuer', token.issuer ?? 'none (no iss)'],
    ...each('Audience', token.audience, 'none'),
    ['Profile', profileText(token.profile)],
    ...each('Scopes', scopeLines(token.scopes ?? []), 'none'),
    ...(token.groups.length === 0 ? [] : each('Groups', token.groups, '')),
    ['Issued', since(token.issuedAt, now)],
    ['Valid from', since(token.notBefore, now)],
    ['Valid until', until(token.expiresAt, now)],
    ['Key', `${token.keyId ?? 'not named'} (${token.algorithm ?? 'no algorithm'})`],
    ['Size', `${token.text.length} bytes`],
  ]
}

/** One line each, the label before the first. */
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
      return 'none named (neither wlcg.ver nor ver)'
    case 'unknown':
      return profile.fault
  }
}

function since(seconds: number | undefined, now: number): string {
  if (seconds === undefined) return 'not said'
  const away = seconds - now
  const distance = away > 0 ? `in ${durationOf(away)}` : `${durationOf(-away)} ago`
  return `${instantOf(seconds)} (${distance})`
}

function until(seconds: number | undefined, now: number): string {
  if (seconds === undefined) return 'not said'
  const left = seconds - now
  const distance = left > 0 ? `${durationOf(left)} left` : `expired ${durationOf(-left)} ago`
  return `${instantOf(seconds)} (${distance})`
}

function checkLine({ name, ok, reason }: Check): Line {
  return [`${ok ? 'ok    ' : 'not ok'}  ${name}`, reason]
}

function answer({ target, checks }: Report): string {
  if (target === undefined) return ''
  const what = `${target.operation} ${target.url}`
  if (isGood({ checks })) return oneLine(`This token should do for: ${what}`)
  const faults = checks.filter((check) => !check.ok).map(({ name }) => name)
  return oneLine(`This token will not do for: ${what} (${faults.join(', ')})`)
}

function columns(lines: readonly Line[]): string {
  const width = Math.max(0, ...lines.map(([label]) => label.length))
  return lines.map(([label, value]) => oneLine(`${label.padEnd(width)}  ${value}`)).join('')
}

/** What a token says is not ours: nothing in it moves a cursor, turns text around or begins a line. */
function oneLine(text: string): string {
  return `${text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')}\n`
}

/**
 * The report for machines. Keys stay what they are; there may be more of them one day. The signature,
 * without which the rest is no token, is left out.
 */
export function reportJson(report: Report): JsonObject {
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
    ...judgement(report),
  }
}

/** Only where there was something to judge. */
function judgement({ target, checks }: Report): JsonObject {
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
