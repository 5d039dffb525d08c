import type { AccessTokenReply, UnixSeconds } from '../protocol/messages.ts'
import { shellQuote } from '../protocol/shell-word.ts'

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
