import { AgentError } from '../protocol/wire/errors.ts'
import type {
  AccessTokenReply,
  JsonObject,
  JsonValue,
  UnixSeconds,
} from '../protocol/wire/messages.ts'
import { sanitize, shellQuote } from '../protocol/wire/text.ts'
import { usageError } from './arguments.ts'
import type { Io } from './run.ts'

/*
 * What several commands print, and print alike: for a person (stderr, and lists on a terminal), and for a
 * script (JSON and shell commands on stdout).
 */

/** Prints the `info` of an agent's reply on stderr, such as a scope that the provider did not grant. */
export function printInfo(info: string | undefined, { stderr }: Pick<Io, 'stderr'>): void {
  if (info !== undefined) stderr.write(`${info}\n`)
}

/**
 * Prints names on stdout, a line each. Only a terminal gets a heading: version 5 of the C tools leaves it
 * out for scripts (cli.md §0).
 */
export function printNames(
  { stdout }: Pick<Io, 'stdout'>,
  names: readonly string[],
  words: { readonly heading: string; readonly none: string },
): void {
  if (stdout.isTTY === true) stdout.write(`${names.length === 0 ? words.none : words.heading}\n`)
  for (const name of names) stdout.write(`${sanitize(name, 'line')}\n`)
}

const DAY_SECONDS = 86_400
/** How many days ahead the end of a login is announced: a weekend and a day. */
const WARNED_DAYS = 3

/**
 * The warning that the login of an account ends soon or has ended; undefined if there is time left, or the
 * end is unknown. `now` is in milliseconds since 1970.
 */
export function loginEndWarning(
  { refresh_token_expires_at: end, login_expired: isOver, issuer }: AccessTokenReply,
  account: string | undefined,
  now: number,
): string | undefined {
  const login = account ?? `this account at ${sanitize(issuer, 'line')}`
  const command = `oidc-gen ${account === undefined ? 'ACCOUNT' : shellQuote(account)} --reauthenticate`
  if (isOver === true) return `the login of ${login} has ended: ${command}`
  if (end === undefined || end <= 0) return undefined
  const left = end - now / 1000
  if (left > WARNED_DAYS * DAY_SECONDS) return undefined
  if (left <= 0) return `the login of ${login} ended on ${dateOf(end)}: ${command}`
  return `the login of ${login} ends ${inDays(left)} (${dateOf(end)}): ${command}`
}

/** The date in the time zone of this machine: 2026-12-20. */
export function dateOf(seconds: UnixSeconds): string {
  const date = new Date(seconds * 1000)
  const parts = [date.getFullYear(), date.getMonth() + 1, date.getDate()]
  return parts.map((part) => String(part).padStart(2, '0')).join('-')
}

function inDays(seconds: number): string {
  const days = Math.round(seconds / DAY_SECONDS)
  if (days > 0) return `in ${days} ${days === 1 ? 'day' : 'days'}`
  const hours = Math.round(seconds / 3600)
  return hours > 0 ? `in ${hours} ${hours === 1 ? 'hour' : 'hours'}` : 'within the hour'
}

/** An account's JSON as the C tools print it (cJSON): tabs, one line a member, arrays in one line. */
export function printedAccount(fields: JsonObject): string {
  return sanitize(printedValue(fields, 1), 'json')
}

function printedValue(value: JsonValue, depth: number): string {
  if (Array.isArray(value)) {
    return `[${value.map((item: JsonValue) => printedValue(item, depth + 1)).join(', ')}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const tabs = '\t'.repeat(depth)
  const members = Object.entries(value).map(
    ([key, member]) => `${tabs}${JSON.stringify(key)}:\t${printedValue(member, depth + 1)}`,
  )
  const body = members.length === 0 ? '' : `${members.join(',\n')}\n`
  return `{\n${body}${'\t'.repeat(depth - 1)}}`
}

/**
 * A value of the provider that may be printed as it is: visible ASCII and spaces, which is all that RFC 6749
 * §A.12 allows in a token. Otherwise an end of line or an escape sequence would get into a terminal, an HTTP
 * header or a script.
 * @throws AgentError `provider-answer` for any other character, or an empty value
 */
export function printable(what: string, value: string): string {
  if (/^[\x20-\x7e]+$/.test(value)) return value
  const fault = value === '' ? 'is empty' : 'contains characters that a token must not have'
  throw new AgentError('provider-answer', `the ${what} from the provider ${fault}; not printed`)
}

/** The shell command that sets and exports a variable, for `eval`; without an end of line. */
export function exportLine(name: string, value: string): string {
  return `${name}=${shellQuote(value)}; export ${name};`
}

/**
 * Checks the name of a shell variable from the command line.
 * @throws AgentError `usage`
 */
export function checkVariableName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
  throw usageError(`'${name}' cannot be the name of a shell variable`)
}
