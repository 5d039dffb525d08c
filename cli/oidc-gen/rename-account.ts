import { accountOf } from '../../protocol/account.ts'
import { checkAccountName } from '../../protocol/account-directory.ts'
import { sealAccountFile } from '../../protocol/account-file.ts'
import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import { addIssuerAccount, removeIssuerAccount } from '../../protocol/issuer-accounts.ts'
import { shellQuote } from '../../protocol/shell-word.ts'
import { accountDirectory } from '../account-directory.ts'
import { unlockAccount } from '../unlock-account.ts'
import { type GenContext, passwordWays } from './setting.ts'

/** `--rename`: moves an account to another name; all but the name stays as it is. */
export async function renameAccount(from: string, to: string, context: GenContext): Promise<void> {
  checkAccountName(to)
  const directory = accountDirectory(context.io.env)
  if (!(await directory.has(from))) throw noSuchAccount()
  if (await directory.has(to)) {
    throw new AgentError('bad-request', `Account configuration '${to}' already exists`)
  }
  const text = await directory.read(from)
  const { fields, key } = await unlockAccount(from, text, passwordWays(context))
  const renamed = { ...fields, name: to }
  await directory.write(to, await sealAccountFile(renamed, key))
  await directory.remove(from)
  await removeIssuerAccount(directory.path, from)
  const { issuer } = accountOf(renamed)
  await addIssuerAccount(directory.path, issuer, to)
  await unloadOldName(from, to, context)
}

/** An agent that goes on under the old name would have no file for a rotated refresh token. */
async function unloadOldName(from: string, to: string, { agent, io }: GenContext): Promise<void> {
  try {
    await callAgent(agent, { request: 'remove', account: from })
  } catch (error) {
    // No agent, or it does not have the account: renaming needs neither.
    if (error instanceof AgentError) return
    throw error
  }
  io.stderr.write(
    `Account ${from} was unloaded. Load it again with\n\t$ oidc-add ${shellQuote(to)}\n`,
  )
}

/** Told of a name that has no file. */
export function noSuchAccount(): AgentError {
  return new AgentError('unknown-account', 'No account configuration found with that shortname', {
    hint: 'What there is shows: oidc-gen -l',
  })
}
