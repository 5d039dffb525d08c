/** What belongs to an error code. */
interface ErrorRow {
  /** Exit status of the commands. 1, as the C tools give for any failure, except where a custom has another. */
  readonly exitStatus: number
  /**
   * Exit status if no person reads the message (`--non-interactive`), so that a pipeline can decide by
   * it. These numbers are part of the interface (docs/ci.md): 10 the agent, 11 the account, 12 a
   * password, 13 the network, 14 the provider refused, 15 the login is over, 16 `--strict`, 1
   * anything else. A code whose `exitStatus` is not 1 has the same status here.
   */
  readonly withoutPerson: number
  /** Text on the wire that C clients compare with; used if there is no more specific text. */
  readonly peerText?: string
}

/**
 * Everything that can go wrong: one row a code, and no other codes. The text of a code that the C
 * peer has too is the peer's own, since its clients match on it (protocol.md §2.8).
 */
export const errorCodes = {
  // The request
  'bad-request': { exitStatus: 1, withoutPerson: 1 },
  'not-implemented': { exitStatus: 1, withoutPerson: 1, peerText: 'Not yet implemented' },
  // EX_USAGE of sysexits.h, as the C tools use it.
  usage: { exitStatus: 64, withoutPerson: 64 },

  // This program and this machine
  'no-terminal': { exitStatus: 1, withoutPerson: 12 },
  internal: { exitStatus: 1, withoutPerson: 1 },
  // 128 + SIGINT: the status that a shell reports for a command ended by Ctrl-C.
  cancelled: { exitStatus: 130, withoutPerson: 130 },
  // The status that a shell gives for a command it cannot run.
  'command-not-run': { exitStatus: 127, withoutPerson: 127 },
  'credential-not-stored': { exitStatus: 1, withoutPerson: 1 },

  // The agent
  'agent-unreachable': {
    exitStatus: 1,
    withoutPerson: 10,
    peerText: 'Could not connect to oidc-agent',
  },
  'agent-timeout': { exitStatus: 1, withoutPerson: 10 },
  'agent-busy': { exitStatus: 1, withoutPerson: 10 },
  'agent-locked': { exitStatus: 1, withoutPerson: 10, peerText: 'Agent locked' },
  'agent-not-locked': { exitStatus: 1, withoutPerson: 10, peerText: 'Agent not locked' },
  'wrong-password': { exitStatus: 1, withoutPerson: 12, peerText: 'wrong password' },
  'peer-disconnected': {
    exitStatus: 1,
    withoutPerson: 10,
    peerText: 'the other party disconnected',
  },
  'decryption-failed': { exitStatus: 1, withoutPerson: 10, peerText: 'decryption failed' },
  'message-malformed': {
    exitStatus: 1,
    withoutPerson: 10,
    peerText: 'internal error: ipc encrypted message malformed',
  },
  'suspicious-public-key': {
    exitStatus: 1,
    withoutPerson: 10,
    peerText: 'received suspicious public key',
  },
  'unknown-account': {
    exitStatus: 1,
    withoutPerson: 11,
    peerText: 'No account configured with that short name',
  },
  'account-not-loaded': { exitStatus: 1, withoutPerson: 11, peerText: 'account not loaded' },
  // As in the C oidc-tokensh (cli.md §1.5).
  'account-not-chosen': { exitStatus: 3, withoutPerson: 3 },
  'operation-forbidden': { exitStatus: 1, withoutPerson: 10, peerText: 'operation forbidden' },
  'no-refresh-token': {
    exitStatus: 1,
    withoutPerson: 15,
    peerText: 'No or malformed refresh token',
  },
  'not-as-asked': { exitStatus: 1, withoutPerson: 16 },
  'no-subject-token': { exitStatus: 1, withoutPerson: 11 },
  'wrong-device-code': { exitStatus: 1, withoutPerson: 14, peerText: 'wrong device code' },
  'wrong-state': { exitStatus: 1, withoutPerson: 1, peerText: 'wrong state' },
  'no-redirect-address': {
    exitStatus: 1,
    withoutPerson: 1,
    peerText: 'Could not start the http server on any of the registered redirect uris.',
  },
  'parked-file-not-found': { exitStatus: 1, withoutPerson: 1, peerText: 'File not found' },

  // The account file
  'file-not-found': { exitStatus: 1, withoutPerson: 11 },
  'file-malformed': { exitStatus: 1, withoutPerson: 11, peerText: 'encryption malformed' },
  'file-unreadable': { exitStatus: 1, withoutPerson: 11 },
  'file-unwritable': { exitStatus: 1, withoutPerson: 1 },
  'file-gpg': { exitStatus: 1, withoutPerson: 11 },

  // The network
  network: { exitStatus: 1, withoutPerson: 13, peerText: 'could not connect to url' },
  tls: { exitStatus: 1, withoutPerson: 13, peerText: 'error with ssl cert' },
  'provider-timeout': { exitStatus: 1, withoutPerson: 13 },
  'insecure-url': { exitStatus: 1, withoutPerson: 14 },

  // The provider
  'provider-answer': { exitStatus: 1, withoutPerson: 13 },
  'provider-status': { exitStatus: 1, withoutPerson: 13 },
  'provider-error': { exitStatus: 1, withoutPerson: 14 },
  'authorization-pending': { exitStatus: 1, withoutPerson: 14, peerText: 'authorization_pending' },
  'slow-down': { exitStatus: 1, withoutPerson: 14, peerText: 'slow_down' },
  'refresh-token-dead': { exitStatus: 1, withoutPerson: 15 },
  'policy-to-accept': { exitStatus: 1, withoutPerson: 15 },
  'user-inactive': { exitStatus: 1, withoutPerson: 14 },
  'invalid-scope': { exitStatus: 1, withoutPerson: 14 },
  'invalid-client': { exitStatus: 1, withoutPerson: 14 },
  'client-not-allowed': { exitStatus: 1, withoutPerson: 14 },
  'invalid-target': { exitStatus: 1, withoutPerson: 14 },
  'rate-limited': { exitStatus: 1, withoutPerson: 13 },
  'provider-unavailable': { exitStatus: 1, withoutPerson: 13 },
  'wrong-clock': { exitStatus: 1, withoutPerson: 14 },
  'invalid-request': { exitStatus: 1, withoutPerson: 14 },
  'wrong-issuer': { exitStatus: 1, withoutPerson: 14 },
  'unsupported-by-provider': { exitStatus: 1, withoutPerson: 14 },
} as const

export type ErrorCode = keyof typeof errorCodes

/** The codes that have a fixed text on the wire. */
type PeerCode = {
  [C in ErrorCode]: (typeof errorCodes)[C] extends { readonly peerText: string } ? C : never
}[ErrorCode]

/** The same rows by the type of a row: does not compile if a row lacks something. */
const rows: Readonly<Record<ErrorCode, ErrorRow>> = errorCodes

export interface ErrorDetails {
  /** What to do next, shown to the person after the error. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/**
 * The one error class. `message` names the program or provider that failed and the object it failed
 * on, and never contains a secret. It is sent to clients and shown after `Error: `.
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

/** The error of a code that has a fixed text on the wire. */
export function peerError(code: PeerCode, details: ErrorDetails = {}): AgentError {
  return new AgentError(code, errorCodes[code].peerText, details)
}

/** Whether `text` is an error code. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCodes, text)
}

/** The reply to a request that failed. Clients decide by the presence of `error`, not by `status`. */
export interface FailureReply {
  readonly status: 'failure'
  readonly error: string
  /** Help for the person: what to do next. */
  readonly info?: string | undefined
  /** Ours: the {@link ErrorCode}. */
  readonly code?: string | undefined
}

/** The reply that reports `error` to a client. */
export function failureReply(error: AgentError): FailureReply {
  const reply: FailureReply = { status: 'failure', error: error.message, code: error.code }
  return error.hint === undefined ? reply : { ...reply, info: error.hint }
}

/**
 * The error that a failure reply reports. Replies of the C agent carry no code: the code is
 * recognised by the text; if it is not, it is `provider-error`, the C agent's largest class.
 */
export function errorOfReply(reply: FailureReply): AgentError {
  return new AgentError(codeOfReply(reply), reply.error, { hint: reply.info })
}

function codeOfReply(reply: FailureReply): ErrorCode {
  if (reply.code !== undefined && isErrorCode(reply.code)) return reply.code
  const known = Object.keys(rows)
    .filter(isErrorCode)
    .find((code) => rows[code].peerText === reply.error)
  if (known !== undefined) return known
  return reply.error.startsWith('Bad Request') ? 'bad-request' : 'provider-error'
}

/** The `code` of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** Linux errors that Node has no name and no text for, by number (errno(3)). */
const unnamedErrors: ReadonlyMap<string, string> = new Map([
  ['116', 'the file server no longer knows the file (ESTALE)'],
  ['122', 'the disk quota is used up (EDQUOT)'],
  ['126', 'there is no key for the file system, such as a Kerberos ticket (ENOKEY)'],
  ['127', 'the key for the file system has expired, such as a Kerberos ticket (EKEYEXPIRED)'],
  ['128', 'the key for the file system was revoked (EKEYREVOKED)'],
  ['129', 'the file system rejected the key (EKEYREJECTED)'],
])

/** The text of a system error, without code, call and path: `no space left on device`. */
export function systemReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const unnamed = unnamedErrors.get(/^Unknown system error -(\d+)/.exec(text)?.[1] ?? '')
  if (unnamed !== undefined) return unnamed
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
