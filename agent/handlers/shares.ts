import { parseCeiling } from '../../protocol/wire/ceiling.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { RequestOf } from '../../protocol/wire/messages.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import type { AgentContext, Handler, SharedHandler } from '../context.ts'
import type { Share } from '../restricted-sockets.ts'
import { assertWithinCeiling, withinOneCeiling } from '../tokens/ceilings.ts'
import { assertGranted, requestedToken } from '../tokens/granted-scope.ts'
import { tokenReply } from '../tokens/token-service.ts'
import { assertConfirmed, assertWithinGrant } from './tokens.ts'

export const share: Handler<'share'> = async (request, { restrictedSockets }) => {
  const ceilings = request.allow.map(parseCeiling)
  const path = await restrictedSockets.open(request.path, ceilings, request.share_for ?? 0)
  return { status: 'success', path, info: `Restricted socket: ${path}` }
}

export const unshare: Handler<'unshare'> = async ({ path }, { restrictedSockets }) => {
  if (await restrictedSockets.close(path)) return { status: 'success' }
  throw new AgentError('bad-request', `the agent has no restricted socket ${path}`, {
    hint: 'To list the restricted sockets:\n\t$ oidc-agent --status',
  })
}

export const sharedAccounts: SharedHandler<'loaded_accounts'> = (_request, shared, { keyring }) => {
  const names = new Set(shared.ceilings.map(({ account }) => account))
  return { status: 'success', info: keyring.names().filter((name) => names.has(name)) }
}

/** An access token within one ceiling of the socket, as requested and as granted. */
export const sharedAccessToken: SharedHandler<'access_token'> = async (
  request,
  shared,
  context,
  signal,
) => {
  const loaded = sharedAccount(request, shared, context)
  assertConfirmed(loaded, context)
  const ceilings = shared.ceilings.filter(({ account }) => account === loaded.name)
  const asked = requestedToken(request.scope, request.audience)
  const { ceiling, requested } = withinOneCeiling(ceilings, asked)
  await assertWithinGrant(loaded, requested, context, signal)
  const minValid = request.min_valid_period ?? 0
  if (minValid < 0) shared.countForced()
  const token = await context.tokens.accessToken(loaded, requested, minValid, signal)
  assertWithinCeiling(token.accessToken, ceiling)
  if (request.strict === true) assertGranted(token)
  return tokenReply(token, loaded)
}

/**
 * The shared account that a request names, or the first one of its issuer. The errors are the same whether an
 * account that is not shared exists or not.
 * @throws AgentError `operation-forbidden`, `account-not-loaded`
 */
function sharedAccount(
  { account, issuer }: Pick<RequestOf<'access_token'>, 'account' | 'issuer'>,
  { ceilings }: Share,
  { keyring }: AgentContext,
): LoadedAccount {
  const names = [...new Set(ceilings.map((ceiling) => ceiling.account))]
  const candidates = names.filter((name) => account === undefined || name === account)
  if (candidates.length === 0) throw notShared(names)
  const ofIssuer = account === undefined && issuer !== undefined ? keyring.ofIssuer(issuer) : []
  const loaded =
    account === undefined
      ? ofIssuer.find(({ name }) => candidates.includes(name))
      : keyring.get(account)
  if (loaded !== undefined) return loaded
  if (account === undefined) throw notShared(names)
  throw peerError('account-not-loaded', {
    hint: `The owner of the agent must load it:\n\t$ oidc-add ${account}`,
  })
}

function notShared(names: readonly string[]): AgentError {
  return peerError('operation-forbidden', {
    hint: `This restricted socket shares only: ${names.join(', ')}`,
  })
}
