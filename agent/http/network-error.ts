import { AgentError, errorCodes } from '../../protocol/wire/errors.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { abortReason } from './abort.ts'

/** Code of the error of a connection that did not stand in time. */
export const CONNECT_TIMEOUT = 'CONNECT_TIMEOUT'

/** The exchange that failed before there was an answer. */
export interface FailedExchange {
  readonly url: URL
  readonly timeouts: Timeouts
  /** Whether our own deadline ended it. */
  readonly timedOut: boolean
  /** The caller's. */
  readonly signal: AbortSignal
}

/** What failed between here and the provider, as the error that says who and on what. */
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

/** The error of a call its caller gave up. */
export function cancelled(signal: AbortSignal): AgentError {
  const cause = abortReason(signal)
  return cause instanceof AgentError
    ? cause
    : new AgentError('cancelled', 'the request was given up', { cause })
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

/** The codes of libuv that are met, in words. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'cut the connection',
  EPIPE: 'cut the connection',
  ENOTFOUND: 'cannot be found: its host name is not known',
  EAI_AGAIN: 'cannot be found: no name server answers',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached from this network',
  ETIMEDOUT: 'does not answer',
}

/** Failures of which it is sure that no byte of the request went out. */
const unsent: readonly string[] = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]

/** Whether an error of {@link networkError} proves that the provider never saw the request. */
export function neverSent({ code, cause }: AgentError): boolean {
  return code === 'network' && unsent.includes(codeOf(cause))
}

/** Reason, host and certificate: what an administrator asks for first. */
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
  'If this provider has a certificate authority of its own, name its PEM file:\n\t$ oidc-gen <name> --cp=<file>\nand with -m where the account exists already.\n'

const tlsHints: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: ownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: ownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: ownAuthority,
  CERT_HAS_EXPIRED: 'Check the clock of this machine; if it is right, tell the provider.',
  CERT_NOT_YET_VALID: 'Check the clock of this machine; if it is right, tell the provider.',
}

/** OpenSSL's verification results, Node's TLS errors and what is no TLS at all. */
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

/** How long a provider may take. */
export interface Timeouts {
  /** Milliseconds to a finished TLS handshake. */
  readonly connectMs: number
  /** Milliseconds from the request to the last byte of the answer. */
  readonly totalMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 5000, totalMs: 15_000 }
