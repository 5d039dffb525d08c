import { instantOf } from './instant.ts'
import type { TokenFileState } from './messages.ts'

/** A kept token file as a person reads of it: where, whose, how long it is good for, what is wrong. */
export function tokenFileLine({
  path,
  account,
  expires_at: expiresAt,
  state,
  error,
}: TokenFileState): string {
  const none = state === 'fresh' ? 'of unknown expiry' : 'no token'
  const token = expiresAt === 0 ? none : `valid until ${instantOf(expiresAt)}`
  const trouble = state === 'fresh' ? '' : `; retrying: ${error ?? 'unknown error'}`
  return `${path} (${account}): ${token}${trouble}`
}
