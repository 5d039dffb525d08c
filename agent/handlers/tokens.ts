import { sameIssuer, words } from '../../protocol/storage/account.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import type { AgentContext, Handler } from '../context.ts'
import { hintFor } from '../providers/error-table.ts'
import {
  assertGranted,
  type RequestedToken,
  requestedToken,
  scopesBeyondGrant,
} from '../tokens/granted-scope.ts'
import { tokenReply } from '../tokens/token-service.ts'

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
      // With -f, as the account is loaded already.
      hint: `The agent issues ID tokens only with permission. To permit them for all accounts:\n\t$ oidc-agent --always-allow-idtoken\nTo permit them for this account:\n\t$ oidc-add -f --always-allow-idtoken ${shellQuote(loaded.name)}`,
    })
  }
  const requested = requestedToken(withOpenid(request.scope), request.audience)
  const token = await context.tokens.idToken(loaded, requested, signal)
  if (token.idToken === undefined) {
    throw new AgentError(
      'provider-answer',
      `${token.issuer} issued no ID token: check that the account has the scope openid`,
    )
  }
  return { status: 'success', id_token: token.idToken, issuer: token.issuer }
}

/**
 * Refuses scopes beyond the grant of the login, which a refresh cannot give (RFC 6749 §6): this error
 * names the scopes the account has, a provider's `invalid_scope` does not. Passes if the grant is not
 * known, for grants that are repeated, and if the provider allows more scopes than the login had.
 * @throws AgentError `invalid-scope`
 */
export async function assertWithinGrant(
  { account, name }: LoadedAccount,
  requested: RequestedToken,
  { provider, clientConfigs }: AgentContext,
  signal: AbortSignal,
): Promise<void> {
  const granted = account.refreshScope ?? account.authScope
  if (granted === '' || account.grant !== 'refresh_token') return
  const missing = scopesBeyondGrant(requested.scopes, granted)
  if (missing.length === 0) return
  const config = await clientConfigs.providerOf(account)
  if ((await provider.discover(config, signal)).allowsScopeUpgrade) return
  throw new AgentError(
    'invalid-scope',
    `invalid_scope: the account ${name} was not granted ${missing.join(' ')}; it has ${granted}`,
    { hint: hintFor('invalid-scope', name) },
  )
}

/** A confirmation needs a program that asks the user, which this agent does not run: it fails closed. */
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

interface AccountChoice {
  readonly account?: string | undefined
  readonly issuer?: string | undefined
}

/**
 * The loaded account that a request names; `account` wins over `issuer`. The agent does not ask for a
 * password during a request: for an account that is only on disk, the hint has the command that loads it.
 * @throws AgentError `account-not-loaded`, `unknown-account`, `not-implemented` if neither is named
 */
export async function findAccount(
  choice: AccountChoice,
  context: AgentContext,
): Promise<LoadedAccount> {
  if (choice.account !== undefined) return byName(choice.account, context)
  if (choice.issuer !== undefined) return byIssuer(choice.issuer, context)
  throw peerError('not-implemented', { hint: 'Name an account or an issuer.' })
}

async function byName(name: string, context: AgentContext): Promise<LoadedAccount> {
  const loaded = context.keyring.get(name)
  if (loaded !== undefined) return loaded
  if (await isOnDisk(name, context)) {
    throw peerError('account-not-loaded', { hint: loadHint(name) })
  }
  throw peerError('unknown-account', {
    hint: `There is no account '${name}'. To list the accounts:\n\t$ oidc-add -l\nTo create one:\n\t$ oidc-gen ${shellQuote(name)}`,
  })
}

async function byIssuer(issuer: string, context: AgentContext): Promise<LoadedAccount> {
  const loaded = context.keyring.ofIssuer(issuer)
  if (loaded.length === 1 && loaded[0] !== undefined) return loaded[0]
  const known = (await context.knownIssuers()).find((entry) => sameIssuer(entry.issuer, issuer))
  const preferred = known?.defaultAccount ?? known?.accounts[0]
  const chosen = loaded.find(({ name }) => name === known?.defaultAccount) ?? loaded.at(-1)
  if (chosen !== undefined) return chosen
  const hint =
    preferred === undefined
      ? `There is no account for ${issuer}. To create one:\n\t$ oidc-gen --iss=${shellQuote(issuer)}`
      : loadHint(preferred)
  throw peerError('account-not-loaded', { hint })
}

async function isOnDisk(name: string, context: AgentContext): Promise<boolean> {
  try {
    return (await (await context.directory())?.has(name)) ?? false
  } catch (error) {
    // A name that no file can have is not the name of an account.
    if (error instanceof AgentError) return false
    throw error
  }
}

function loadHint(name: string): string {
  return `Load the account first:\n\t$ oidc-add ${shellQuote(name)}`
}
