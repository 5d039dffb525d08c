import { connect, type PeerCertificate } from 'node:tls'

/** Longest to look for a certificate that is only wanted for an error message. */
const LOOK_MS = 3000

/**
 * Who a server says it is, for the message about a certificate that was refused: subject, issuer
 * and validity. Asked on a connection of its own, on which nothing is sent, since the refused one
 * is gone by then. Undefined where the server shows none in time.
 */
export function describeCertificate(url: URL): Promise<string | undefined> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: url.port === '' ? 443 : Number(url.port),
      // RFC 6066 §3: addresses are not sent as server names.
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
      // Only looked at, never trusted.
      rejectUnauthorized: false,
      timeout: LOOK_MS,
    })
    const end = (text: string | undefined): void => {
      socket.destroy()
      resolve(text)
    }
    socket.once('secureConnect', () => end(description(socket.getPeerCertificate())))
    socket.once('timeout', () => end(undefined))
    socket.once('error', () => end(undefined))
  })
}

function description(certificate: Partial<PeerCertificate>): string | undefined {
  const { subject, issuer, valid_from: from, valid_to: to } = certificate
  if (subject === undefined || issuer === undefined) return undefined
  return `subject ${nameOf(subject)}; issuer ${nameOf(issuer)}; valid ${String(from)} to ${String(to)}`
}

function nameOf(name: PeerCertificate['subject']): string {
  const parts = Object.entries(name).map(([key, value]) => `${key}=${String(value)}`)
  return parts.length === 0 ? 'without a name' : parts.join(', ')
}
