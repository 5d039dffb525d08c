import { type AgentAddress, agentAddresses } from '../protocol/client.ts'
import { AgentError } from '../protocol/errors.ts'
import type { Io } from './run.ts'

/**
 * The agent a command is for. Where the environment names no local one, callAgent has the error.
 * @throws AgentError `agent-unreachable` where it names no remote one.
 */
export function selectAgent(io: Io, which: 'local' | 'remote'): AgentAddress | undefined {
  const address = agentAddresses(io.env, io.uid)[which]
  if (address !== undefined || which === 'local') return address
  throw new AgentError('agent-unreachable', 'OIDC_REMOTE_SOCK env var not set', {
    hint: 'Set it to HOST or HOST:PORT of the remote agent.',
  })
}
