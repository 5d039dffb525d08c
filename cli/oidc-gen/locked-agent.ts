import { AgentError } from '../../protocol/errors.ts'
import type { GenContext } from './setting.ts'

/**
 * Whether what a poll failed with is only that the agent is locked, by a person who went away: the
 * login goes on when it is unlocked. The first time that is said.
 */
export function untilUnlocked({ io }: GenContext): (error: unknown) => boolean {
  let said = false
  return (error) => {
    if (!(error instanceof AgentError) || error.code !== 'agent-locked') return false
    if (!said) {
      io.stderr.write(
        'The agent is locked. The login goes on when it is unlocked by\n\t$ oidc-add -X\n',
      )
    }
    said = true
    return true
  }
}
