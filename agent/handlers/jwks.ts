import { sameIssuer } from '../../protocol/account.ts'
import type { RequestOf } from '../../protocol/messages.ts'
import { providerOf } from '../accounts/client-of.ts'
import type { ProviderConfig } from '../oidc/provider.ts'
import type { AgentContext, Handler } from '../services.ts'

/** The keys of an issuer, fetched with the trust a loaded account or an issuer file has in it. */
export const jwks: Handler<'jwks'> = async (request, context, signal) => {
  const address = await addressOf(request, context)
  return { status: 'success', jwks: await context.provider.jwks(address, signal) }
}

async function addressOf(
  request: RequestOf<'jwks'>,
  context: AgentContext,
): Promise<ProviderConfig> {
  const known = await knownAddress(request.issuer, context)
  return { ...known, certPath: request.cert_path ?? known.certPath }
}

async function knownAddress(
  issuer: string,
  { accounts, knownIssuers }: AgentContext,
): Promise<ProviderConfig> {
  const [loaded] = accounts.ofIssuer(issuer)
  if (loaded !== undefined) return providerOf(loaded.account)
  const known = (await knownIssuers()).find((entry) => sameIssuer(entry.issuer, issuer))
  return { issuer, configEndpoint: known?.configEndpoint, certPath: known?.certPath }
}
