import { callAgent } from '../../protocol/client.ts'
import { AgentError, knownError } from '../../protocol/errors.ts'
import { accountDirectory } from '../list-accounts.ts'
import { addRequest } from '../load-account.ts'
import { type PasswordKeeping, passwordEntry, passwordSources } from '../password-source.ts'
import { type UnlockedAccount, unlockAccount } from '../unlock-account.ts'
import type { AddOptions } from './options.ts'
import { type AddSetting, tellSuccess } from './setting.ts'

/** Opens an account's file and loads it into the agent. */
export async function load(account: string, setting: AddSetting): Promise<void> {
  const { options, io, agent, terminal, explain } = setting
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
    return
  }

  explain(`account file: ${directory.path}/${account}`)
  const sources = passwordSources(options)
  const text = await directory.read(account)
  const opened = await unlockAccount(account, text, { sources, io, terminal })
  const request = addRequest(opened, {
    pw_entry: passwordEntry(account, sources, keeping(options, opened), io.now),
    lifetime: options.lifetime,
    confirm: options.confirm,
    always_allow_id_token: options.alwaysAllowIdToken,
    plain_add: options.skipCheck,
  })
  tellSuccess(io, await callAgent(agent, request))
}

/**
 * Whether the agent keeps the password, and how long: as --pw-store says, as long as the account
 * where it says no time, and always if it came from a variable (cli.md §1.2).
 */
function keeping(
  { pwStore, pwEnv, lifetime }: AddOptions,
  { password, from }: UnlockedAccount,
): PasswordKeeping | undefined {
  if (pwStore !== undefined)
    return { password, seconds: pwStore === true ? (lifetime ?? 0) : pwStore }
  return pwEnv !== undefined && from === 'source' ? { password, seconds: 0 } : undefined
}

function noSuchAccount(account: string): AgentError {
  return knownError('unknown-account', {
    hint: `There is no file for ${account}. What there is shows: oidc-add -l`,
  })
}
