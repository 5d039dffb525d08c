import { type AgentAddress, callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'

/**
 * The account to take where none is named: the one that is loaded.
 * @throws AgentError `account-not-chosen` where it is none or more than one
 */
export async function chooseAccount(agent: AgentAddress | undefined): Promise<string> {
  const { info: loaded } = await callAgent(agent, { request: 'loaded_accounts' })
  const [only] = loaded
  if (only !== undefined && loaded.length === 1) return only
  const message =
    only === undefined ? 'no account is loaded' : `${loaded.length} accounts are loaded`
  const hint =
    only === undefined
      ? 'Say which account to load: --oidc=ACCOUNT'
      : `Say which: --oidc=ACCOUNT, one of ${loaded.join(', ')}`
  throw new AgentError('account-not-chosen', message, { hint })
}
