import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import { type AddContext, tellSuccess } from './setting.ts'

/** Locks the agent with a password that is asked for twice. */
export async function lock({ agent, io, terminal }: AddContext): Promise<void> {
  await callAgent(agent, { request: 'check' })
  const password = await terminal().askSecret('Enter lock password')
  if ((await terminal().askSecret('Confirm lock password')) !== password) {
    throw new AgentError('wrong-password', 'Passwords do not match.')
  }
  tellSuccess(io, await callAgent(agent, { request: 'lock', password }))
}

/** Unlocks the agent. */
export async function unlock({ agent, io, terminal }: AddContext): Promise<void> {
  await callAgent(agent, { request: 'check' })
  const password = await terminal().askSecret('Enter lock password')
  tellSuccess(io, await callAgent(agent, { request: 'unlock', password }))
}
