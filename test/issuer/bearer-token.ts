import type { ReceivedRequest } from './received-request.ts'

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). */
export function bearerToken({ headers }: ReceivedRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers['authorization'] ?? '')?.[1]
}
