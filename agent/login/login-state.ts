import { randomBytes } from 'node:crypto'

/** 144 bits, 24 characters of base64url: nobody guesses a login's state. */
const RANDOM_BYTES = 18

/**
 * A new `state` (RFC 6749 §4.1.1) in the C agent's form `<s>:<a><24 random>:<len>:<sock>`
 * (protocol.md §2.5): by the socket's path in it, a redirect helper in another session finds this
 * agent.
 */
export function newLoginState(
  redirectUri: string,
  onlyAccessToken: boolean,
  socketPath: string,
): string {
  const slash = redirectUri.endsWith('/') ? '1' : '0'
  const kind = onlyAccessToken ? '1' : '0'
  const random = randomBytes(RANDOM_BYTES).toString('base64url')
  const path = Buffer.from(socketPath)
  return `${slash}:${kind}${random}:${path.length}:${path.toString('base64url')}`
}
