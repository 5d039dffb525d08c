import { sameIssuer } from '../../protocol/account.ts'
import { AgentError, knownError } from '../../protocol/errors.ts'
import { shellWord } from '../../protocol/shell-word.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import type { Services } from '../services.ts'

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
  services: Services,
): Promise<LoadedAccount> {
  if (choice.account !== undefined) return byName(choice.account, services)
  if (choice.issuer !== undefined) return byIssuer(choice.issuer, services)
  throw knownError('not-implemented', { hint: 'Name an account or an issuer.' })
}

async function byName(name: string, services: Services): Promise<LoadedAccount> {
  const loaded = services.accounts.get(name)
  if (loaded !== undefined) return loaded
  if (await isOnDisk(name, services)) {
    throw knownError('account-not-loaded', { hint: loadHint(name) })
  }
  throw knownError('unknown-account', {
    hint: `There is no account '${name}'. Accounts are listed by\n\t$ oidc-add -l\nand made by\n\t$ oidc-gen ${shellWord(name)}`,
  })
}

async function byIssuer(issuer: string, services: Services): Promise<LoadedAccount> {
  const loaded = services.accounts.ofIssuer(issuer)
  if (loaded.length === 1 && loaded[0] !== undefined) return loaded[0]
  const known = (await services.knownIssuers()).find((entry) => sameIssuer(entry.issuer, issuer))
  const preferred = known?.defaultAccount ?? known?.accounts[0]
  const chosen = loaded.find(({ name }) => name === known?.defaultAccount) ?? loaded.at(-1)
  if (chosen !== undefined) return chosen
  const hint =
    preferred === undefined
      ? `No account is known for ${issuer}. Make one by\n\t$ oidc-gen --iss=${shellWord(issuer)}`
      : loadHint(preferred)
  throw knownError('account-not-loaded', { hint })
}

async function isOnDisk(name: string, services: Services): Promise<boolean> {
  try {
    return (await services.directory()?.has(name)) ?? false
  } catch (error) {
    // A name no file can have is a name no account has.
    if (error instanceof AgentError) return false
    throw error
  }
}

function loadHint(name: string): string {
  return `Load the account first:\n\t$ oidc-add ${shellWord(name)}`
}
