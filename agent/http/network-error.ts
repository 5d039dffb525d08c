import { AgentError, errorCodes } from '../../protocol/wire/errors.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { abortReason } from '../concurrency.ts'

/** Error code of a connection that was not established in time. */
export const CONNECT_TIMEOUT = 'CONNECT_TIMEOUT'

/** An exchange that failed before its response was complete. */
export interface FailedExchange {
  readonly url: URL
  readonly timeouts: Timeouts
  /** Whether our own deadline passed. */
  readonly timedOut: boolean
  /** The caller's signal. */
  readonly signal: AbortSignal
}

/**
 * The AgentError for a failed exchange, naming the provider's host and the reason:
 * `provider-timeout`, `cancelled`, `tls` or `network`. An AgentError is returned unchanged.
 */
export async function networkError(error: unknown, exchange: FailedExchange): Promise<AgentError> {
  if (error instanceof AgentError) return error
  const { url, timeouts, timedOut, signal } = exchange
  if (timedOut) {
    const seconds = timeouts.totalMs / 1000
    return new AgentError('provider-timeout', `${url.host} did not answer within ${seconds} s`, {
      cause: error,
    })
  }
  if (signal.aborted) return cancelled(signal)
  const code = codeOf(error)
  return isTlsCode(code) ? tlsError(error, url) : connectionError(code, error, exchange)
}

/** The error of a call that its caller aborted. */
export function cancelled(signal: AbortSignal): AgentError {
  const cause = abortReason(signal)
  return cause instanceof AgentError
    ? cause
    : new AgentError('cancelled', 'the request was cancelled', { cause })
}

function connectionError(code: string, error: unknown, exchange: FailedExchange): AgentError {
  const { url, timeouts } = exchange
  const what =
    code === CONNECT_TIMEOUT
      ? `did not accept the connection within ${timeouts.connectMs / 1000} s`
      : `${reasons[code] ?? reasonText(error)} (${code})`
  return new AgentError('network', `${errorCodes.network.peerText}: ${url.origin} ${what}`, {
    cause: error,
  })
}

/** What libuv's error codes mean for the user. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'cut the connection',
  EPIPE: 'cut the connection',
  ENOTFOUND: 'cannot be found: unknown host name',
  EAI_AGAIN: 'cannot be found: no name server responded',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached from this network',
  ETIMEDOUT: 'does not respond',
}

/** Error codes that prove that no byte of the request was sent. */
const unsent: readonly string[] = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]

/** Whether an error of {@link networkError} proves that the provider never received the request. */
export function neverSent({ code, cause }: AgentError): boolean {
  return code === 'network' && unsent.includes(codeOf(cause))
}

/** Names reason, host and certificate, which an administrator needs first. */
async function tlsError(error: unknown, url: URL): Promise<AgentError> {
  const { describeCertificate } = await import('./tls-trust.ts')
  const certificate = await describeCertificate(url)
  const shown = certificate === undefined ? '' : ` (${providerText(certificate, [])})`
  return new AgentError(
    'tls',
    `${errorCodes.tls.peerText}: ${url.host} is not trusted: ${reasonText(error)}${shown}`,
    { cause: error, hint: tlsHints[codeOf(error)] },
  )
}

const ownAuthority =
  'If this provider has its own certificate authority, name its PEM file:\n\t$ oidc-gen <name> --cp=<file>\nIf the account already exists, add -m.\n'

const tlsHints: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: ownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: ownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: ownAuthority,
  CERT_HAS_EXPIRED:
    'Check the clock of this machine. If the clock is right, report the certificate to the provider.',
  CERT_NOT_YET_VALID:
    'Check the clock of this machine. If the clock is right, report the certificate to the provider.',
}

/** OpenSSL's verification results, Node's TLS errors, and errors of peers that do not speak TLS. */
function isTlsCode(code: string): boolean {
  return /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$)|CERT|INVALID_CA|LEAF_SIGNATURE|PATH_LENGTH|INVALID_PURPOSE/.test(
    code,
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unknown'
}

function reasonText(error: unknown): string {
  // OpenSSL's texts are lines like "…:SSL routines:ssl3_get_record:wrong version number:…".
  const text = error instanceof Error ? error.message : String(error)
  const openssl = /SSL routines:[^:]*:([^:]+):/.exec(text)
  return providerText(openssl?.[1] ?? text, [])
}

/** How long one exchange with a provider may take. */
export interface Timeouts {
  /** Milliseconds until the TLS handshake is finished. */
  readonly connectMs: number
  /** Milliseconds from the request to the last byte of the response. */
  readonly totalMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 5000, totalMs: 15_000 }
