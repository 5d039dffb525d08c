import { type AgentAddress, callAgent } from '../protocol/client/call.ts'
import { AccountDirectory } from '../protocol/storage/account-directory.ts'
import { findConfigDirectory } from '../protocol/storage/config-directory.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import { shellQuote } from '../protocol/wire/text.ts'
import { addRequest, openWithTries, passwordQuestion } from './passwords.ts'
import type { Io } from './run.ts'
import { openTerminal, type Terminal } from './terminal.ts'

/** The loading of an account that has a file. */
export interface Loading {
  readonly account: string
  readonly agent: AgentAddress
  readonly env: Io['env']
  readonly open?: () => Terminal
}

/** `pw_entry.type`: the agent asks for the password when it needs it (protocol.md §2.4). */
const PROMPT = 8

/**
 * Asks for the account's password on the terminal and loads it into the agent.
 * @throws AgentError `notLoaded` if the account has no file, or, with the command that loads it, if there
 *   is no terminal; `wrong-password`; what the agent replied
 */
export async function loadFromDisk(loading: Loading, notLoaded: AgentError): Promise<void> {
  const { account, agent, env } = loading
  const path = await findConfigDirectory(env)
  if (path === undefined) throw notLoaded
  const directory = new AccountDirectory(path, { warn: (line) => terminal.say(line) })
  if (!(await directory.has(account))) throw notLoaded
  const terminal = terminalOr(notLoaded, loading)
  try {
    const opened = await openWithTries(
      await directory.read(account),
      () => terminal.askSecret(passwordQuestion(account)),
      (line) => terminal.say(line),
    )
    await callAgent(agent, addRequest(opened, { pw_entry: { account, type: PROMPT } }))
  } finally {
    terminal.close()
  }
}

function terminalOr(notLoaded: AgentError, { account, env, open }: Loading): Terminal {
  try {
    return open === undefined ? openTerminal(env) : open()
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'no-terminal') throw error
    const hint = `Load the account first: oidc-add ${shellQuote(account)}`
    throw new AgentError(notLoaded.code, notLoaded.message, { hint, cause: error })
  }
}
