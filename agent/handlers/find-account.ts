import { sameIssuer } from '../../protocol/account.ts'
import { AgentError, peerError } from '../../protocol/errors.ts'
import { shellQuote } from '../../protocol/shell-word.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import type { AgentContext } from '../services.ts'

interface AccountChoice {
  readonly account?: string | undefined
  readonly issuer?: string | undefined
}

/**
 * The loaded account a request means; `account` wins over `issuer`. The agent asks no password in
 * the middle of a request: what is only on disk is an error with the command that loads it.
 * @throws AgentError `account-not-loaded`, `unknown-account`, `not-implemented` where neither is named.
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
  const loaded = context.accounts.get(name)
  if (loaded !== undefined) return loaded
  if (await isOnDisk(name, context)) {
    throw peerError('account-not-loaded', { hint: loadHint(name) })
  }
  throw peerError('unknown-account', {
    hint: `There is no account '${name}'. Accounts are listed by\n\t$ oidc-add -l\nand made by\n\t$ oidc-gen ${shellQuote(name)}`,
  })
}

async function byIssuer(issuer: string, context: AgentContext): Promise<LoadedAccount> {
  const loaded = context.accounts.ofIssuer(issuer)
  if (loaded.length === 1 && loaded[0] !== undefined) return loaded[0]
  const known = (await context.knownIssuers()).find((entry) => sameIssuer(entry.issuer, issuer))
  const preferred = known?.defaultAccount ?? known?.accounts[0]
  const chosen = loaded.find(({ name }) => name === known?.defaultAccount) ?? loaded.at(-1)
  if (chosen !== undefined) return chosen
  const hint =
    preferred === undefined
      ? `No account is known for ${issuer}. Make one by\n\t$ oidc-gen --iss=${shellQuote(issuer)}`
      : loadHint(preferred)
  throw peerError('account-not-loaded', { hint })
}

async function isOnDisk(name: string, context: AgentContext): Promise<boolean> {
  try {
    return (await context.directory()?.has(name)) ?? false
  } catch (error) {
    // A name no file can have is a name no account has.
    if (error instanceof AgentError) return false
    throw error
  }
}

function loadHint(name: string): string {
  return `Load the account first:\n\t$ oidc-add ${shellQuote(name)}`
}
