import { words } from '../../protocol/account.ts'
import type { TokenResponse } from '../oidc/provider.ts'
import type { TokenWish } from './wish.ts'

/** Clocks that differ more make tokens fail at services that allow the usual minute. */
const TOLERATED_SKEW_SECONDS = 60

/**
 * What was granted differently from what was asked, a line each; undefined where nothing differs.
 * A provider may grant fewer scopes without an error (RFC 6749 §3.3), and some ignore `audience`.
 */
export function grantDifferences(wish: TokenWish, response: TokenResponse): string | undefined {
  const lines = [
    scopeDifference(wish, response),
    audienceDifference(wish, response),
    skew(response),
  ]
  const said = lines.filter((line) => line !== undefined)
  return said.length === 0 ? undefined : said.join('\n')
}

function scopeDifference(wish: TokenWish, response: TokenResponse): string | undefined {
  if (response.scope === undefined) return undefined
  const granted = words(response.scope)
  // offline_access asks for a refresh token and is never a scope of the access token itself.
  const missing = wish.scopes.filter(
    (scope) => scope !== 'offline_access' && !granted.includes(scope),
  )
  if (missing.length === 0) return undefined
  return `the provider did not grant the scope ${missing.join(' ')}`
}

function audienceDifference(wish: TokenWish, response: TokenResponse): string | undefined {
  if (response.audience === undefined) return undefined
  const granted = response.audience
  const missing = wish.audiences.filter((audience) => !granted.includes(audience))
  if (missing.length === 0) return undefined
  return `the token is not for the audience ${missing.join(' ')} but for ${granted.join(' ')}`
}

function skew({ clockSkewSeconds }: TokenResponse): string | undefined {
  if (clockSkewSeconds === undefined || Math.abs(clockSkewSeconds) <= TOLERATED_SKEW_SECONDS) {
    return undefined
  }
  const side = clockSkewSeconds > 0 ? 'ahead of' : 'behind'
  const seconds = Math.round(Math.abs(clockSkewSeconds))
  return `this machine's clock is ${seconds} s ${side} the provider's: correct it, or services will refuse the token`
}
