import { accountOf } from '../../protocol/account.ts'
import { callAgent } from '../../protocol/client.ts'
import { AgentError, peerError } from '../../protocol/errors.ts'
import { accountDirectory } from '../account-directory.ts'
import { addRequest } from '../load-account.ts'
import { type PasswordKeeping, passwordEntry, passwordSources } from '../password-source.ts'
import { storesPassword } from '../stores-password.ts'
import { type UnlockedAccount, unlockAccount } from '../unlock-account.ts'
import { type AddContext, tellSuccess } from './setting.ts'

/** Opens an account's file and loads it into the agent. */
export async function load(account: string, context: AddContext): Promise<void> {
  const { options, io, agent, terminal, explain } = context
  if (options.pwPrompt === 'gui') {
    throw new AgentError('not-implemented', '--pw-prompt=gui is not implemented', {
      hint: 'Leave it out to be asked on the terminal.',
    })
  }
  const directory = accountDirectory(io.env)
  if (!(await directory.has(account))) throw noSuchAccount(account)

  const { info: loaded } = await callAgent(agent, { request: 'loaded_accounts' })
  if (loaded.includes(account) && !options.force) {
    io.stdout.write(`Account '${account}' already loaded\n`)
    if (changesLoaded(options)) {
      io.stderr.write('It stays as it is. With --force the other options take effect.\n')
    }
    return
  }

  explain(`account file: ${directory.path}/${account}`)
  const sources = passwordSources(options)
  const text = await directory.read(account)
  const opened = await unlockAccount(account, text, { sources, io, terminal })
  const request = addRequest(opened, {
    pw_entry: passwordEntry(account, sources, await keeping(opened, context), io.now),
    lifetime: options.lifetime,
    confirm: options.confirm,
    always_allow_id_token: options.alwaysAllowIdToken,
    plain_add: options.skipCheck,
  })
  tellSuccess(io, await callAgent(agent, request))
}

/** Whether an option was given that an account which is loaded could take over. */
function changesLoaded(options: AddContext['options']): boolean {
  const { lifetime, pwStore, confirm, alwaysAllowIdToken } = options
  return lifetime !== undefined || pwStore !== undefined || confirm || alwaysAllowIdToken
}

/**
 * Whether the agent keeps the password, and how long: as --pw-store says, as long as the account
 * where it says no time, and always if it came from a variable or the issuer files say so (cli.md §1.2).
 */
async function keeping(
  { fields, password, from }: UnlockedAccount,
  { options, io, host }: AddContext,
): Promise<PasswordKeeping | undefined> {
  const { pwStore, pwEnv, lifetime } = options
  if (typeof pwStore === 'number') return { password, seconds: pwStore }
  if (pwStore === true) return { password, seconds: lifetime ?? 0 }
  const isKept =
    (pwEnv !== undefined && from === 'source') ||
    (await storesPassword(accountOf(fields).issuer, io.env, host.systemDirectory))
  return isKept ? { password, seconds: 0 } : undefined
}

function noSuchAccount(account: string): AgentError {
  return peerError('unknown-account', {
    hint: `There is no file for ${account}. What there is shows: oidc-add -l`,
  })
}
