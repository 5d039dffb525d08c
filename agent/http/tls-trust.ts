import { X509Certificate } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type PeerCertificate,
  rootCertificates,
  type SecureContext,
} from 'node:tls'
import { FileTrust } from '../../protocol/storage/file-trust.ts'
import { readRegularFile } from '../../protocol/storage/regular-file.ts'
import { AgentError, errorCodes } from '../../protocol/wire/errors.ts'
import { fileAnswer, NoFileAnswer } from '../file-answers.ts'

/** Where operating systems keep their CA bundle (protocol.md §3.2). */
export const SYSTEM_CA_FILES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/ssl/cert.pem',
  '/etc/ca-certificates/cert.pem',
]

/** The CA bundles to trust. */
export interface CaFiles {
  /** Empty: only Node's own authorities are trusted. */
  readonly paths: readonly string[]
  /** The directory that the paths are in, whose other files are ignored; undefined for bundles. */
  readonly directory?: string | undefined
  /** Whether Node's own authorities are trusted as well. */
  readonly besidesNode: boolean
  /** Changes whenever one of the files changes. */
  readonly stamp: string
}

/**
 * Finds the CA bundles for an account. An account written by oidc-gen 4.x names the system bundle of the
 * machine on which it was created; if that file does not exist here, this machine's bundle is used.
 * @throws AgentError `tls` if the account's own bundle cannot be read, or if a file system does not answer.
 */
export async function findCaFiles(
  certPath: string | undefined,
  systemFiles: readonly string[],
  extraFiles: readonly string[],
): Promise<CaFiles> {
  if (certPath !== undefined && certPath !== '') {
    const stamp = await stampOf(certPath)
    if (stamp !== undefined)
      return (await caDirectory(certPath)) ?? { paths: [certPath], besidesNode: false, stamp }
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

/** Most files of a CA directory that are read. The IGTF distribution has about 200. */
const MAX_CA_FILES = 2000

/** The certificates of a CA directory, as OpenSSL's CApath and grid sites keep them; undefined for a file. */
async function caDirectory(path: string): Promise<CaFiles | undefined> {
  const listed = await answerAbout(path, 'list', async () =>
    (await stat(path)).isDirectory() ? readdir(path) : undefined,
  )
  if (listed === undefined) return undefined
  const names = listed.filter((name) => /\.(?:pem|0)$/.test(name)).sort()
  if (names.length > MAX_CA_FILES) throw unreadable(path, `it has more than ${MAX_CA_FILES} files`)
  const paths = names.map((name) => join(path, name))
  const stamps: string[] = []
  for (const one of paths) stamps.push((await stampOf(one)) ?? '')
  return { paths, directory: path, besidesNode: false, stamp: stamps.join(' ') }
}

/**
 * Reads the files into the context that TLS connections share. Called once per pool and not per
 * connection: reading 140 certificates blocks the agent for 30 ms.
 * @throws AgentError `tls` if a file cannot be read or holds no certificate.
 */
export async function readSecureContext(files: CaFiles): Promise<SecureContext> {
  const { directory } = files
  if (files.paths.length === 0 && directory === undefined) return createSecureContext()
  const authorities = new Map<string, string>()
  const trust = new FileTrust({ uid: undefined, groups: 'any' })
  for (const path of files.paths) {
    for (const certificate of await certificatesOf(path, files.directory, trust)) {
      authorities.set(certificate.replace(/\s/g, ''), certificate)
    }
  }
  if (directory !== undefined && authorities.size === 0) throw unreadable(directory, NO_CERTIFICATE)
  // Most of Node's authorities are in the system's bundle too; reading them twice takes twice as long.
  for (const certificate of files.besidesNode ? rootCertificates : []) {
    authorities.set(certificate.replace(/\s/g, ''), certificate)
  }
  return createSecureContext({ ca: [...authorities.values()] })
}

const NO_CERTIFICATE = 'it holds no PEM certificate'

async function certificatesOf(
  path: string,
  directory: string | undefined,
  trust: FileTrust,
): Promise<readonly string[]> {
  try {
    return certificatesIn(await textOf(path, trust), path)
  } catch (error) {
    if (directory === undefined || !(error instanceof AgentError)) throw error
    // The next of its files would not be read either.
    if (error.cause instanceof NoFileAnswer) throw error
    return []
  }
}

function certificatesIn(text: string, path: string): readonly string[] {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  // Node silently skips certificates that it cannot read, and then trusts no server.
  if (found?.some(isCertificate) !== true) throw unreadable(path, NO_CERTIFICATE)
  return found
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

/** Bundles of all public authorities have about 250 kB. */
const MAX_BUNDLE_BYTES = 8 << 20

/** @throws AgentError also if everybody can change the file: they would choose which servers get our secrets */
async function textOf(path: string, trust: FileTrust): Promise<string> {
  try {
    return await answerAbout(path, 'read', () =>
      readRegularFile(path, MAX_BUNDLE_BYTES, async (status) => {
        const fault = trust.fault(path, status) ?? (await trust.pathFault(path))
        if (fault === undefined) return
        const at = fault.path === path ? '' : `${fault.path}: `
        throw new Error(`${at}${fault.reason} (${fault.remedy ?? ''})`)
      }),
    )
  } catch (error) {
    if (error instanceof AgentError) throw error
    throw unreadable(path, error instanceof Error ? error.message : 'unknown reason', error)
  }
}

/** Undefined if the file cannot be looked at. @throws AgentError `tls` if its file system does not answer */
async function stampOf(path: string): Promise<string | undefined> {
  try {
    // Also changed by chmod, unlike mtime.
    const { ctimeMs, size, ino } = await answerAbout(path, 'stat', () => stat(path))
    return `${path}:${ino}:${size}:${ctimeMs}`
  } catch (error) {
    if (error instanceof AgentError) throw error
    return undefined
  }
}

/** @throws what `ask` throws; AgentError `tls` if the file system does not answer */
async function answerAbout<T>(path: string, what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await fileAnswer(`${what} ${path}`, ask)
  } catch (error) {
    throw error instanceof NoFileAnswer ? unreadable(path, error.message, error) : error
  }
}

/** Why a file has no stamp: it does not exist, or this user may not read it. */
async function absence(path: string): Promise<string> {
  try {
    await answerAbout(path, 'stat', () => stat(path))
  } catch (error) {
    if (error instanceof AgentError) throw error
    if (error instanceof Error && !error.message.startsWith('ENOENT')) return error.message
  }
  return 'it does not exist'
}

function unreadable(path: string, why: string, cause?: unknown): AgentError {
  return new AgentError(
    'tls',
    `${errorCodes.tls.peerText}: CA bundle ${path} cannot be used: ${why}`,
    {
      hint: 'Name an existing PEM file:\n\t$ oidc-gen <name> --cp=<file>\nIf the account already exists, add -m.\n',
      cause,
    },
  )
}

/** Fewest bits of a server's RSA key (CA/Browser Forum Baseline Requirements §6.1.5). */
const MIN_RSA_BITS = 2048

/**
 * Checks the host name and the key of a server's certificate. Node calls it after it has verified the
 * chain, and before anything is sent.
 * @returns undefined if the certificate is good
 */
export function checkServerCertificate(
  host: string,
  certificate: PeerCertificate,
): Error | undefined {
  const { modulus, bits } = certificate
  // Only RSA keys have a modulus.
  if (modulus !== undefined && (bits ?? 0) < MIN_RSA_BITS) {
    const message = `its RSA key has ${bits ?? 0} bits, and at least ${MIN_RSA_BITS} are required`
    return Object.assign(new Error(message), { code: 'ERR_TLS_WEAK_KEY' })
  }
  return checkServerIdentity(host, certificate)
}

/** Time limit for fetching a certificate that only an error message needs. */
const LOOK_MS = 3000

/**
 * Subject, issuer and validity of a server's certificate, for the message about a refused one. Uses a
 * connection of its own, on which nothing is sent, as the refused connection is closed by then.
 * Undefined if the server presents no certificate in time.
 */
export function describeCertificate(url: URL): Promise<string | undefined> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: url.port === '' ? 443 : Number(url.port),
      // RFC 6066 §3: addresses are not sent as server names.
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
      // The certificate is only described, never trusted.
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
