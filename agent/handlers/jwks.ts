import { sameIssuer } from '../../protocol/account.ts'
import type { RequestOf } from '../../protocol/messages.ts'
import { providerOf } from '../accounts/client-of.ts'
import type { ProviderAddress } from '../oidc/provider.ts'
import type { Handler, Services } from '../services.ts'

/** The keys of an issuer, fetched with the trust a loaded account or an issuer file has in it. */
export const jwks: Handler<'jwks'> = async (request, services, signal) => {
  const address = await addressOf(request, services)
  return { status: 'success', jwks: await services.provider.keys(address, signal) }
}

async function addressOf(request: RequestOf<'jwks'>, services: Services): Promise<ProviderAddress> {
  const known = await knownAddress(request.issuer, services)
  return { ...known, certPath: request.cert_path ?? known.certPath }
}

async function knownAddress(
  issuer: string,
  { accounts, knownIssuers }: Services,
): Promise<ProviderAddress> {
  const [loaded] = accounts.ofIssuer(issuer)
  if (loaded !== undefined) return providerOf(loaded.account)
  const known = (await knownIssuers()).find((entry) => sameIssuer(entry.issuer, issuer))
  return { issuer, configEndpoint: known?.configEndpoint, certPath: known?.certPath }
}
