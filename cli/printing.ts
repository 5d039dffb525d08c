import type {
  AccessTokenReply,
  JsonObject,
  JsonValue,
  UnixSeconds,
} from '../protocol/wire/messages.ts'
import { shellQuote, visibleText } from '../protocol/wire/text.ts'
import { usageError } from './arguments.ts'
import type { Io } from './run.ts'

/** Says what an agent's reply tells besides, such as what the provider granted otherwise than asked. */
export function printInfo(info: string | undefined, { stderr }: Pick<Io, 'stderr'>): void {
  if (info !== undefined) stderr.write(`${visibleText(info)}\n`)
}

const DAY_SECONDS = 86_400
/** How many days ahead a person is told that a login ends: a weekend and a day. */
const WARNED_DAYS = 3

/** Told to a person whose login ends soon; undefined where there is time, or it is not known. */
export function loginEndWarning(
  { refresh_token_expires_at: end, login_expired: isOver, issuer }: AccessTokenReply,
  account: string | undefined,
  now: number,
): string | undefined {
  const login = account ?? `this account at ${issuer}`
  const command = `oidc-gen ${account === undefined ? 'ACCOUNT' : shellQuote(account)} --reauthenticate`
  if (isOver === true) return `the login of ${login} has ended: ${command}`
  if (end === undefined || end <= 0) return undefined
  const left = end - now / 1000
  if (left > WARNED_DAYS * DAY_SECONDS) return undefined
  if (left <= 0) return `the login of ${login} ended on ${dateOf(end)}: ${command}`
  return `the login of ${login} ends ${inDays(left)} (${dateOf(end)}): ${command}`
}

/** The day by this machine's clock: 2026-12-20. */
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
  return printed(fields, 1)
}

function printed(value: JsonValue, depth: number): string {
  if (Array.isArray(value)) {
    return `[${value.map((item: JsonValue) => printed(item, depth + 1)).join(', ')}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const tabs = '\t'.repeat(depth)
  const members = Object.entries(value).map(
    ([key, member]) => `${tabs}${JSON.stringify(key)}:\t${printed(member, depth + 1)}`,
  )
  const body = members.length === 0 ? '' : `${members.join(',\n')}\n`
  return `{\n${body}${'\t'.repeat(depth - 1)}}`
}

/** The line that sets and exports a variable once it is `eval`ed; without its end of line. */
export function exportLine(name: string, value: string): string {
  return `${name}=${shellQuote(value)}; export ${name};`
}

/**
 * Checks a name a person gave for a variable.
 * @throws AgentError `usage`.
 */
export function checkVariableName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
  throw usageError(`'${name}' cannot be the name of a shell variable`)
}
