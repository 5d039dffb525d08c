import type { Environment } from '../protocol/wire/agent-options.ts'
import type { ErrorCode } from '../protocol/wire/errors.ts'

/** Set by `oidc-agent --non-interactive`: nobody is there to answer a question or to see a browser. */
export const NON_INTERACTIVE = 'OIDC_AGENT_NON_INTERACTIVE'

/** Whether commands have to do without a person. */
export function isNonInteractive(env: Environment): boolean {
  const value = env[NON_INTERACTIVE] ?? ''
  return value !== '' && value !== '0'
}

/** What a pipeline can tell apart; the numbers are part of the interface: see docs/ci.md. */
const status = {
  other: 1,
  agent: 10,
  account: 11,
  password: 12,
  network: 13,
  refused: 14,
  loginOver: 15,
  notAsAsked: 16,
} as const

/**
 * Exit statuses where nobody reads the message. Elsewhere the C tools' status 1 is what scripts know
 * (`exitStatus`); what has a status of its own there has the same here.
 */
export const nonInteractiveStatus: Readonly<Record<ErrorCode, number>> = {
  usage: 64,
  cancelled: 130,
  'command-not-run': 127,
  'account-not-chosen': 3,
  'bad-request': status.other,
  'not-implemented': status.other,
  internal: status.other,
  'credential-not-stored': status.other,
  'parked-file-not-found': status.other,
  'wrong-state': status.other,
  'no-redirect-address': status.other,
  'file-unwritable': status.other,
  'agent-unreachable': status.agent,
  'agent-timeout': status.agent,
  'agent-locked': status.agent,
  'agent-not-locked': status.agent,
  'peer-disconnected': status.agent,
  'decryption-failed': status.agent,
  'message-malformed': status.agent,
  'suspicious-public-key': status.agent,
  'operation-forbidden': status.agent,
  'unknown-account': status.account,
  'account-not-loaded': status.account,
  'no-subject-token': status.account,
  'file-not-found': status.account,
  'file-malformed': status.account,
  'file-unreadable': status.account,
  'file-gpg': status.account,
  'wrong-password': status.password,
  'no-terminal': status.password,
  network: status.network,
  tls: status.network,
  'provider-timeout': status.network,
  'provider-status': status.network,
  'provider-answer': status.network,
  'provider-unavailable': status.network,
  'rate-limited': status.network,
  'insecure-url': status.refused,
  'provider-error': status.refused,
  'authorization-pending': status.refused,
  'slow-down': status.refused,
  'wrong-device-code': status.refused,
  'user-inactive': status.refused,
  'invalid-scope': status.refused,
  'invalid-client': status.refused,
  'client-not-allowed': status.refused,
  'invalid-target': status.refused,
  'wrong-clock': status.refused,
  'invalid-request': status.refused,
  'wrong-issuer': status.refused,
  'unsupported-by-provider': status.refused,
  'refresh-token-dead': status.loginOver,
  'no-refresh-token': status.loginOver,
  'policy-to-accept': status.loginOver,
  'not-as-asked': status.notAsAsked,
}
