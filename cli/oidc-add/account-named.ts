import { sameIssuer } from '../../protocol/account.ts'
import { findConfigDirectory } from '../../protocol/config-directory.ts'
import { AgentError } from '../../protocol/errors.ts'
import { type KnownIssuer, readKnownIssuers } from '../../protocol/issuer-config.ts'
import { shellQuote } from '../../protocol/shell-word.ts'
import type { AddContext } from './setting.ts'

/**
 * The account an operand names: itself, or with an issuer's URL that issuer's default account.
 * @throws AgentError `unknown-account` where the issuer has none.
 */
export async function accountNamed(operand: string, { io, host }: AddContext): Promise<string> {
  // As with the C tool, only the literal beginning makes it an issuer.
  if (!operand.startsWith('https://')) return operand
  const issuers = await readKnownIssuers(findConfigDirectory(io.env), host.systemDirectory)
  const account = accountOf(issuers.find(({ issuer }) => sameIssuer(issuer, operand)))
  if (account !== undefined) return account
  throw new AgentError('unknown-account', `No account configured for the issuer ${operand}`, {
    hint: `Make one: oidc-gen --issuer=${shellQuote(operand)}`,
  })
}

function accountOf(issuer: KnownIssuer | undefined): string | undefined {
  return issuer?.defaultAccount ?? issuer?.accounts[0]
}
