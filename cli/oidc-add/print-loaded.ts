import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { AccountStatus, StatusJsonReply } from '../../protocol/messages.ts'
import { tokenFileLine } from '../../protocol/token-file-line.ts'
import { printNames } from '../list-accounts.ts'
import { dateOf } from '../login-end.ts'
import { visibleText } from '../visible-text.ts'
import type { AddContext } from './setting.ts'

const words = {
  heading: 'The following account configurations are currently loaded: ',
  none: 'No account configurations are currently loaded.',
} as const

/**
 * `-a`: the loaded accounts; for a person with how long their logins last, and the token files that
 * are kept fresh.
 */
export async function printLoaded({ io, agent }: AddContext): Promise<void> {
  const { info: names } = await callAgent(agent, { request: 'loaded_accounts' })
  if (io.stdout.isTTY !== true) {
    printNames(io, names, words)
    return
  }
  const { accounts = [], token_files: files = [] } = await statusOf(agent)
  const logins = new Map(accounts.map((one) => [one.name, one]))
  const width = Math.max(0, ...names.map((name) => name.length))
  const lines = names.map((name) => {
    const login = loginText(logins.get(name), io.now())
    return login === '' ? name : `${name.padEnd(width)}  ${login}`
  })
  printNames(io, lines, words)
  if (files.length > 0) io.stdout.write('\nToken files kept fresh:\n')
  for (const file of files) io.stdout.write(`${visibleText(tokenFileLine(file))}\n`)
}

/** Nothing where the agent is one that does not tell. */
async function statusOf(agent: AddContext['agent']): Promise<Partial<StatusJsonReply['info']>> {
  try {
    return (await callAgent(agent, { request: 'status_json' })).info
  } catch (error) {
    if (error instanceof AgentError) return {}
    throw error
  }
}

/** Empty where nothing is known. */
function loginText(account: AccountStatus | undefined, now: number): string {
  if (account === undefined) return ''
  if (account.login_expired) return 'login ended'
  if (account.grant !== 'refresh_token') return 'robot'
  const end = account.refresh_token_expires_at
  if (end === null || end <= 0) return ''
  return end * 1000 <= now ? 'login ended' : `login ends ${dateOf(end)}`
}
