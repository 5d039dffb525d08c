import { agentAddresses, callAgent } from '../../protocol/client.ts'
import type { Io } from '../run.ts'

/** `oidc-agent --status`: what the running agent says of itself. */
export async function printStatus(json: boolean, { env, uid, stdout }: Io): Promise<void> {
  const { local } = agentAddresses(env, uid)
  if (json) {
    const { info } = await callAgent(local, { request: 'status_json' })
    // No end of line: byte for byte what oidc-agent 5 prints.
    stdout.write(JSON.stringify(info))
    return
  }
  const { info } = await callAgent(local, { request: 'status' })
  stdout.write(info.endsWith('\n') ? info : `${info}\n`)
}
