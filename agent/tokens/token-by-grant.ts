import type { Account } from '../../protocol/account.ts'
import { AgentError } from '../../protocol/errors.ts'
import { clientOf } from '../accounts/client-of.ts'
import type { ReadSubjectToken } from '../accounts/subject-token.ts'
import type { OpenIdProvider, TokenResponse } from '../oidc/provider.ts'
import { type RequestedToken, withAccountDefaults } from './wish.ts'

/** What a grant that needs no person is asked with. */
export interface GrantParts {
  readonly provider: OpenIdProvider
  readonly readSubjectToken: ReadSubjectToken
}

/**
 * A token by a grant that needs no person: `client_credentials` or `token-exchange`. Without wished
 * scopes the account's own are asked for, as there is no earlier grant to repeat.
 */
export async function tokenByGrant(
  account: Account,
  requested: RequestedToken,
  { provider, readSubjectToken }: GrantParts,
  signal: AbortSignal,
): Promise<TokenResponse> {
  const client = clientOf(account)
  const { scopes, audiences } = withAccountDefaults(account, requested)
  const wanted = { scope: listOf(scopes), audience: listOf(audiences) }
  switch (account.grant) {
    case 'client_credentials':
      return provider.clientCredentialsGrant(client, wanted, signal)
    case 'token-exchange': {
      const subjectToken = await readSubjectToken(account, signal)
      const subjectTokenType = account.subjectToken?.type ?? ''
      return provider.tokenExchange(client, { ...wanted, subjectToken, subjectTokenType }, signal)
    }
    case 'refresh_token':
      throw new AgentError('internal', `the account ${account.name} is refreshed, not granted anew`)
  }
}

/** A list as the wire has it; undefined where it is empty. */
export function listOf(list: readonly string[]): string | undefined {
  return list.length === 0 ? undefined : list.join(' ')
}
