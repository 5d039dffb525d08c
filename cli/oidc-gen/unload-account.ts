import { type AgentAddress, callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'

/** Takes an account out of the agent, if it is there. */
export async function unloadAccount(
  account: string,
  agent: AgentAddress | undefined,
): Promise<void> {
  try {
    await callAgent(agent, { request: 'remove', account })
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'account-not-loaded') throw error
  }
}
