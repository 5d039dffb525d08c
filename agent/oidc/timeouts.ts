/** How long a provider may take. */
export interface Timeouts {
  /** Milliseconds to a finished TLS handshake. */
  readonly connectMs: number
  /** Milliseconds from the request to the last byte of the answer. */
  readonly totalMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 5000, totalMs: 15_000 }
