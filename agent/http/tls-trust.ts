import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import {
  connect,
  createSecureContext,
  type PeerCertificate,
  rootCertificates,
  type SecureContext,
} from 'node:tls'
import { AgentError, errorCodes } from '../../protocol/wire/errors.ts'

/** Where systems keep the authorities they trust (protocol.md §3.2). */
export const SYSTEM_CA_FILES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/ssl/cert.pem',
  '/etc/ca-certificates/cert.pem',
]

/** The files that say whom to trust. Empty: what Node trusts by itself. */
export interface CaFiles {
  readonly paths: readonly string[]
  /** Whether they are trusted besides Node's own authorities, or instead. */
  readonly besidesNode: boolean
  /** Changes whenever one of the files does. */
  readonly stamp: string
}

/**
 * Finds what to trust for an account. An account written by oidc-gen 4.x names the bundle of the
 * machine it was made on; where that one does not exist, this machine's is meant.
 * @throws AgentError `tls` where the account's own bundle cannot be read.
 */
export async function findCaFiles(
  certPath: string | undefined,
  systemFiles: readonly string[],
  extraFiles: readonly string[],
): Promise<CaFiles> {
  if (certPath !== undefined && certPath !== '') {
    const stamp = await stampOf(certPath)
    if (stamp !== undefined) return { paths: [certPath], besidesNode: false, stamp }
    if (!SYSTEM_CA_FILES.includes(certPath)) throw unreadable(certPath, await absence(certPath))
  }
  const found: { path: string; stamp: string }[] = []
  for (const path of systemFiles) {
    const stamp = await stampOf(path)
    if (stamp === undefined) continue
    found.push({ path, stamp })
    break
  }
  for (const path of extraFiles) {
    const stamp = await stampOf(path)
    if (stamp !== undefined) found.push({ path, stamp })
  }
  return {
    paths: found.map(({ path }) => path),
    besidesNode: true,
    stamp: found.map(({ stamp }) => stamp).join(' '),
  }
}

/**
 * Reads the files into what TLS connections share. Made once and not per connection: reading 140
 * certificates takes 30 ms in which the agent answers nobody.
 */
export async function readSecureContext(files: CaFiles): Promise<SecureContext> {
  if (files.paths.length === 0) return createSecureContext()
  const authorities = new Map<string, string>()
  for (const path of files.paths) {
    for (const certificate of certificatesIn(await textOf(path), path)) {
      authorities.set(certificate.replace(/\s/g, ''), certificate)
    }
  }
  // Most of what Node trusts is in the system's bundle too, and reading it twice takes twice as long.
  for (const certificate of files.besidesNode ? rootCertificates : []) {
    authorities.set(certificate.replace(/\s/g, ''), certificate)
  }
  return createSecureContext({ ca: [...authorities.values()] })
}

function certificatesIn(text: string, path: string): readonly string[] {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  // Node passes over what it cannot read, and then trusts nobody without saying why.
  if (found?.some(isCertificate) !== true) throw unreadable(path, 'it holds no PEM certificate')
  return found
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error instanceof Error ? error.message : 'unknown reason', error)
  }
}

async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size, ino } = await stat(path)
    return `${path}:${ino}:${size}:${mtimeMs}`
  } catch {
    return undefined
  }
}

/** Why a file has no stamp: there is none, or not for this user. */
async function absence(path: string): Promise<string> {
  try {
    await stat(path)
  } catch (error) {
    if (error instanceof Error && !error.message.startsWith('ENOENT')) return error.message
  }
  return 'it does not exist'
}

function unreadable(path: string, why: string, cause?: unknown): AgentError {
  return new AgentError(
    'tls',
    `${errorCodes.tls.peerText}: CA bundle ${path} cannot be used: ${why}`,
    {
      hint: 'Name a PEM file that exists:\n\t$ oidc-gen <name> --cp=<file>\nand with -m where the account exists already.\n',
      cause,
    },
  )
}

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
