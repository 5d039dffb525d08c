import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { AccessTokenReply, ConfigReply } from '../../protocol/messages.ts'
import { checkRedirected } from './redirected.ts'
import type { GenContext } from './setting.ts'

const QUESTION = 'Waiting for the browser. Or paste the address here that it was sent to'

/** Whether the person can be asked for the address while the browser is waited for. */
export function mayPaste({ prompter, io }: GenContext): boolean {
  // Who does not see the question on stderr's terminal does not wait at it either.
  return io.stderr.isTTY === true && prompter.hasTerminal()
}

/** Finishes the login with the address that the person pastes; asks until one does. */
export async function pastedAnswer(
  { agent, prompter }: GenContext,
  signal: AbortSignal,
): Promise<ConfigReply | AccessTokenReply> {
  for (;;) {
    const pasted = (await prompter.passwords().ask(QUESTION, { signal })).trim()
    if (pasted === '') continue
    try {
      checkRedirected(pasted)
      // Not `from_gen`: this same oidc-gen may see by its polling first that the login is done.
      return await callAgent(agent, { request: 'code_exchange', redirect_uri: pasted }, { signal })
    } catch (error) {
      if (!(error instanceof AgentError) || !mendable.includes(error.code)) throw error
      prompter.say(`Error: ${error.message}`)
    }
  }
}

/** What another paste may do better. */
const mendable = ['bad-request', 'wrong-state']
