import type { Environment } from '../protocol/wire/agent-options.ts'

/** Set by `oidc-agent --non-interactive`: there is no person to answer a question or to see a browser. */
export const NON_INTERACTIVE = 'OIDC_AGENT_NON_INTERACTIVE'

/** Whether commands must do without a person. */
export function isNonInteractive(env: Environment): boolean {
  const value = env[NON_INTERACTIVE] ?? ''
  return value !== '' && value !== '0'
}
