import { durationOf, instantOf } from '../../../protocol/instant.ts'
import type { Check } from './check.ts'
import { isGood, type Report } from './report.ts'
import { scopeInWords } from './scope-words.ts'
import type { Profile, TokenClaims } from './token-facts.ts'

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
