import { words } from '../../protocol/account.ts'
import { AgentError, peerError } from '../../protocol/errors.ts'
import type { AccessTokenReply } from '../../protocol/messages.ts'
import { shellQuote } from '../../protocol/shell-word.ts'
import { providerOf } from '../accounts/client-of.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import { hintFor } from '../oidc/provider-hints.ts'
import type { AgentContext, Handler } from '../services.ts'
import { assertGranted, joinedLines } from '../tokens/granted.ts'
import { scopesBeyondGrant } from '../tokens/scope-cover.ts'
import type { IssuedToken } from '../tokens/token-service.ts'
import { type RequestedToken, requestedToken } from '../tokens/wish.ts'
import { findAccount } from './find-account.ts'

export const accessToken: Handler<'access_token'> = async (request, context, signal) => {
  const loaded = await findAccount(request, context)
  assertConfirmed(loaded, context)
  const requested = requestedToken(request.scope, request.audience)
  await assertWithinGrant(loaded, requested, context, signal)
  const minValid = request.min_valid_period ?? 0
  const token = await context.tokens.accessToken(loaded, requested, minValid, signal)
  if (request.strict === true) assertGranted(token)
  return tokenReply(token, loaded)
}

export const idToken: Handler<'id_token'> = async (request, context, signal) => {
  const loaded = await findAccount(request, context)
  if (!context.options.alwaysAllowIdToken && !loaded.alwaysAllowIdToken) {
    throw peerError('operation-forbidden', {
      // With -f: the account is loaded already.
      hint: `ID tokens are given out only where that was allowed:\n\t$ oidc-agent --always-allow-idtoken\nor, for one account,\n\t$ oidc-add -f --always-allow-idtoken ${shellQuote(loaded.name)}`,
    })
  }
  const requested = requestedToken(withOpenid(request.scope), request.audience)
  const token = await context.tokens.idToken(loaded, requested, signal)
  if (token.idToken === undefined) {
    throw new AgentError(
      'provider-answer',
      `${token.issuer} gave no ID token; was the account authorised for the scope openid?`,
    )
  }
  return { status: 'success', id_token: token.idToken, issuer: token.issuer }
}

/** The wire form of a token. */
export function tokenReply(token: IssuedToken, loaded: LoadedAccount): AccessTokenReply {
  return {
    status: 'success',
    access_token: token.accessToken,
    issuer: token.issuer,
    // Whole seconds, rounded down: never later than the token's own end.
    expires_at: Math.floor(token.expiresAt),
    scope: token.scope,
    info: joinedLines(token.differences, token.notes),
    refresh_token_expires_at: loaded.account.refreshTokenExpiresAt,
    login_expired: loaded.loginExpired || undefined,
  }
}

/**
 * A refresh cannot give more than the login did (RFC 6749 §6): that is said here, by what the
 * account has, rather than by a provider's `invalid_scope`. Nothing is refused where the grant is not
 * known, nor for grants that are repeated, nor where the provider gives more all the same.
 */
export async function assertWithinGrant(
  { account, name }: LoadedAccount,
  requested: RequestedToken,
  { provider }: AgentContext,
  signal: AbortSignal,
): Promise<void> {
  const granted = account.refreshScope ?? account.authScope
  if (granted === '' || account.grant !== 'refresh_token') return
  const missing = scopesBeyondGrant(requested.scopes, granted)
  if (missing.length === 0) return
  if ((await provider.discover(providerOf(account), signal)).allowsScopeUpgrade) return
  throw new AgentError(
    'invalid-scope',
    `invalid_scope: the account ${name} was not granted ${missing.join(' ')}; it has ${granted}`,
    { hint: hintFor('invalid-scope', name) },
  )
}

/** Confirmation needs a program to ask with, which this agent does not run: it fails closed. */
export function assertConfirmed(loaded: LoadedAccount, context: AgentContext): void {
  if (!context.options.confirm && !loaded.confirm) return
  throw peerError('operation-forbidden', {
    hint: `Tokens of ${loaded.name} need a confirmation, and this agent has no way to ask for it. Load the account without --confirm.`,
  })
}

function withOpenid(scope: string | undefined): string | undefined {
  if (scope === undefined || words(scope).includes('openid')) return scope
  return `openid ${scope}`
}
