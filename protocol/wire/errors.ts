import type { FailureReply } from './messages.ts'

/**
 * Everything that can go wrong, as one closed union. A new code does not compile until it has an
 * exit status. The wire text of the ones the C peer has is the peer's own, since its clients match
 * on it (protocol.md §2.8).
 */
export type ErrorCode =
  // how it was asked
  | 'usage'
  | 'bad-request'
  | 'not-implemented'
  // this program, this machine
  | 'cancelled'
  | 'no-terminal'
  | 'internal'
  | 'command-not-run'
  | 'credential-not-stored'
  // the agent
  | 'agent-unreachable'
  | 'agent-timeout'
  | 'agent-locked'
  | 'agent-not-locked'
  | 'wrong-password'
  | 'peer-disconnected'
  | 'decryption-failed'
  | 'message-malformed'
  | 'suspicious-public-key'
  | 'unknown-account'
  | 'account-not-loaded'
  | 'account-not-chosen'
  | 'operation-forbidden'
  | 'no-refresh-token'
  | 'not-as-asked'
  | 'no-subject-token'
  | 'wrong-device-code'
  | 'wrong-state'
  | 'no-redirect-address'
  | 'parked-file-not-found'
  // the account file
  | 'file-not-found'
  | 'file-malformed'
  | 'file-unreadable'
  | 'file-unwritable'
  | 'file-gpg'
  // the network
  | 'network'
  | 'tls'
  | 'provider-timeout'
  | 'insecure-url'
  // the provider
  | 'provider-answer'
  | 'provider-status'
  | 'provider-error'
  | 'authorization-pending'
  | 'slow-down'
  | 'refresh-token-dead'
  | 'policy-to-accept'
  | 'user-inactive'
  | 'invalid-scope'
  | 'invalid-client'
  | 'client-not-allowed'
  | 'invalid-target'
  | 'rate-limited'
  | 'provider-unavailable'
  | 'wrong-clock'
  | 'invalid-request'
  | 'wrong-issuer'
  | 'unsupported-by-provider'

/** Exit status of the commands: 64 is EX_USAGE of sysexits.h, as the C tools use it. */
export const exitStatus: Readonly<Record<ErrorCode, number>> = {
  usage: 64,
  'bad-request': 1,
  'not-implemented': 1,
  // 128 + SIGINT, what a shell reports for a command ended by Ctrl-C.
  cancelled: 130,
  'no-terminal': 1,
  internal: 1,
  // What a shell gives for a command it cannot run.
  'command-not-run': 127,
  'credential-not-stored': 1,
  'agent-unreachable': 1,
  'agent-timeout': 1,
  'agent-locked': 1,
  'agent-not-locked': 1,
  'wrong-password': 1,
  'peer-disconnected': 1,
  'decryption-failed': 1,
  'message-malformed': 1,
  'suspicious-public-key': 1,
  'unknown-account': 1,
  'account-not-loaded': 1,
  // As the C oidc-tokensh has it (cli.md §1.5).
  'account-not-chosen': 3,
  'operation-forbidden': 1,
  'no-refresh-token': 1,
  'not-as-asked': 1,
  'no-subject-token': 1,
  'wrong-device-code': 1,
  'wrong-state': 1,
  'no-redirect-address': 1,
  'parked-file-not-found': 1,
  'file-not-found': 1,
  'file-malformed': 1,
  'file-unreadable': 1,
  'file-unwritable': 1,
  'file-gpg': 1,
  network: 1,
  tls: 1,
  'provider-timeout': 1,
  'insecure-url': 1,
  'provider-answer': 1,
  'provider-status': 1,
  'provider-error': 1,
  'authorization-pending': 1,
  'slow-down': 1,
  'refresh-token-dead': 1,
  'policy-to-accept': 1,
  'user-inactive': 1,
  'invalid-scope': 1,
  'invalid-client': 1,
  'client-not-allowed': 1,
  'invalid-target': 1,
  'rate-limited': 1,
  'provider-unavailable': 1,
  'wrong-clock': 1,
  'invalid-request': 1,
  'wrong-issuer': 1,
  'unsupported-by-provider': 1,
}

/** Wire texts that C clients compare with; used where no more specific text is given. */
export const peerMessages = {
  'agent-locked': 'Agent locked',
  'agent-not-locked': 'Agent not locked',
  'wrong-password': 'wrong password',
  'peer-disconnected': 'the other party disconnected',
  'decryption-failed': 'decryption failed',
  'message-malformed': 'internal error: ipc encrypted message malformed',
  'suspicious-public-key': 'received suspicious public key',
  'unknown-account': 'No account configured with that short name',
  'account-not-loaded': 'account not loaded',
  'operation-forbidden': 'operation forbidden',
  'no-refresh-token': 'No or malformed refresh token',
  'wrong-device-code': 'wrong device code',
  'wrong-state': 'wrong state',
  'no-redirect-address': 'Could not start the http server on any of the registered redirect uris.',
  'parked-file-not-found': 'File not found',
  'file-malformed': 'encryption malformed',
  'agent-unreachable': 'Could not connect to oidc-agent',
  'not-implemented': 'Not yet implemented',
  'authorization-pending': 'authorization_pending',
  'slow-down': 'slow_down',
  network: 'could not connect to url',
  tls: 'error with ssl cert',
} as const satisfies Partial<Record<ErrorCode, string>>

export interface ErrorDetails {
  /** What to do next, shown to the person after the error. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/**
 * The one error class. `message` names who failed, on what, and never holds a secret; it is what
 * goes over the wire and after `Error: `.
 */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
  }
}

/** The error of a code that has a fixed wire text. */
export function peerError(code: keyof typeof peerMessages, details: ErrorDetails = {}): AgentError {
  return new AgentError(code, peerMessages[code], details)
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(exitStatus, text)
}

/** The reply that tells a client of `error`. */
export function failureReply(error: AgentError): FailureReply {
  const reply: FailureReply = { status: 'failure', error: error.message, code: error.code }
  return error.hint === undefined ? reply : { ...reply, info: error.hint }
}

/**
 * The error a failure reply tells of. Replies of the C agent carry no code: it is recognised by its
 * text, else it is a `provider-error`, the C agent's largest class.
 */
export function errorOfReply(reply: FailureReply): AgentError {
  return new AgentError(codeOfReply(reply), reply.error, { hint: reply.info })
}

function codeOfReply(reply: FailureReply): ErrorCode {
  if (reply.code !== undefined && isErrorCode(reply.code)) return reply.code
  const known = Object.entries(peerMessages).find(([, text]) => text === reply.error)
  if (known !== undefined && isErrorCode(known[0])) return known[0]
  return reply.error.startsWith('Bad Request') ? 'bad-request' : 'provider-error'
}

/** The `code` of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** What the system says, without code, call and path: `no space left on device`. */
export function systemReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /^E[A-Z0-9]+: (.*), \w+(?: '.*)?$/.exec(text)?.[1] ?? text
}

/** The error of a file that cannot be read. */
export function unreadable(path: string, error: unknown): AgentError {
  if (systemCode(error) === 'ENOENT') {
    return new AgentError('file-not-found', `there is no file ${path}`, { cause: error })
  }
  const message = `cannot read ${path}: ${systemReason(error)}`
  return new AgentError('file-unreadable', message, { cause: error })
}

/** The error of a file or directory that cannot be written, renamed or removed. */
export function unwritable(path: string, error: unknown): AgentError {
  const message = `cannot write ${path}: ${systemReason(error)}`
  return new AgentError('file-unwritable', message, { cause: error })
}
