import { createHash } from 'node:crypto'
import { isOver, type Provider, refuse } from '../provider.ts'
import type { ReceivedRequest } from '../received-request.ts'
import type { AuthorizationCode } from '../store.ts'
import { firstTokens } from './first-tokens.ts'
import { field, type GrantHandler } from './grant-handler.ts'

/** The exchange of a code (RFC 6749 §4.1.3, RFC 7636 §4.5). */
export const authorizationCode: GrantHandler = async (provider, client, request) => {
  const code = provider.store.codes.get(field(provider, request, 'code'))
  if (code?.grant.clientId !== client.id) return refuse(provider, 'codeInvalid')
  // RFC 6749 §4.1.2: a second use gives the first one's tokens up.
  if (code.used) provider.store.revoke(code.grant)
  const isGood = !code.used && !isOver(provider, code)
  if (!isGood || code.redirectUri !== request.form['redirect_uri']) refuse(provider, 'codeInvalid')
  checkVerifier(provider, code, request)
  code.used = true
  return firstTokens(provider, client, code.grant)
}

function checkVerifier(
  provider: Provider,
  { challenge, challengeMethod }: AuthorizationCode,
  { form }: ReceivedRequest,
): void {
  if (challenge === undefined) return
  const verifier = form['code_verifier'] ?? refuse(provider, 'parameterMissing', 'code_verifier')
  const derived =
    challengeMethod === 'S256'
      ? createHash('sha256').update(verifier).digest('base64url')
      : verifier
  if (derived !== challenge) refuse(provider, 'verifierWrong')
}
