import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import * as der from './der.ts'
import { newTestKeyPair } from './signing-key.ts'

/** Certificate and private key of a TLS server, PEM. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
}

/** A throw-away certificate authority; its key lives in this process only. */
export interface CertificateAuthority {
  /** Its certificate, PEM, for clients to trust. */
  readonly pem: string
  /** A server certificate, by default for localhost, 127.0.0.1 and ::1. */
  issue(options?: CertificateOptions): ServerCertificate
}

export interface CertificateOptions {
  readonly commonName?: string
  readonly dnsNames?: readonly string[]
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** An RSA key of so many bits in place of an elliptic one. */
  readonly rsaBits?: number
}

interface Subject {
  readonly name: Buffer
  readonly keyInfo: Buffer
  readonly extensions: readonly Buffer[]
  readonly notBefore: Date
  readonly notAfter: Date
}

interface Issuer {
  readonly name: Buffer
  readonly key: KeyObject
}

const DAY_MS = 86_400_000
const ECDSA_WITH_SHA256 = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'))
const LOOPBACK_ADDRESSES = [Buffer.from([127, 0, 0, 1]), Buffer.from([...new Uint8Array(15), 1])]

/** Makes a certificate authority. */
export function createAuthority(commonName = 'throw-away CA'): CertificateAuthority {
  const keys = newKeys()
  const issuer = { name: nameOf(commonName), key: keys.privateKey }
  const certificate = signed(issuer, {
    name: issuer.name,
    keyInfo: keys.keyInfo,
    extensions: authorityExtensions(keys.keyInfo),
    ...validity({}),
  })
  const authorityKeyId = keyIdOf(keys.keyInfo)
  return {
    pem: pem('CERTIFICATE', certificate),
    issue: (options = {}) => issue(issuer, authorityKeyId, options),
  }
}

/** Options of a certificate that expired ten days ago. */
export function expired(): CertificateOptions {
  return {
    commonName: 'expired',
    notBefore: new Date(Date.now() - 20 * DAY_MS),
    notAfter: new Date(Date.now() - 10 * DAY_MS),
  }
}

function issue(
  issuer: Issuer,
  authorityKeyId: Buffer,
  options: CertificateOptions,
): ServerCertificate {
  const keys = newKeys(options.rsaBits)
  const certificate = signed(issuer, {
    name: nameOf(options.commonName ?? 'localhost'),
    keyInfo: keys.keyInfo,
    extensions: serverExtensions(authorityKeyId, options),
    ...validity(options),
  })
  return { cert: pem('CERTIFICATE', certificate), key: keys.privatePem }
}

function newKeys(rsaBits?: number): { privateKey: KeyObject; privatePem: string; keyInfo: Buffer } {
  const { privateKey, publicKey } =
    rsaBits === undefined
      ? newTestKeyPair()
      : generateKeyPairSync('rsa', { modulusLength: rsaBits })
  return {
    privateKey,
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    keyInfo: publicKey.export({ type: 'spki', format: 'der' }),
  }
}

/** RFC 5280 §4.1. */
function signed(issuer: Issuer, subject: Subject): Buffer {
  const body = der.sequence(
    der.tagged(0, der.integer(Buffer.from([2]))),
    // A serial number must be positive, without an unnecessary leading zero byte.
    der.integer(Buffer.from([1, ...randomBytes(8)])),
    ECDSA_WITH_SHA256,
    issuer.name,
    der.sequence(der.utcTime(subject.notBefore), der.utcTime(subject.notAfter)),
    subject.name,
    subject.keyInfo,
    der.tagged(3, der.sequence(...subject.extensions)),
  )
  return der.sequence(body, ECDSA_WITH_SHA256, der.bitString(sign('sha256', body, issuer.key)))
}

function authorityExtensions(keyInfo: Buffer): readonly Buffer[] {
  return [
    critical('2.5.29.19', der.sequence(der.booleanTrue())),
    // keyCertSign and cRLSign.
    critical('2.5.29.15', der.bitString(Buffer.from([0x06]), 1)),
    extension('2.5.29.14', der.octetString(keyIdOf(keyInfo))),
  ]
}

function serverExtensions(authorityKeyId: Buffer, options: CertificateOptions): readonly Buffer[] {
  const dnsNames = options.dnsNames ?? ['localhost']
  const addresses = options.dnsNames === undefined ? LOOPBACK_ADDRESSES : []
  return [
    critical('2.5.29.19', der.sequence()),
    critical('2.5.29.15', der.bitString(Buffer.from([0x80]), 7)),
    extension('2.5.29.37', der.sequence(der.objectIdentifier('1.3.6.1.5.5.7.3.1'))),
    extension(
      '2.5.29.17',
      der.sequence(
        ...dnsNames.map((name) => der.taggedBytes(2, Buffer.from(name))),
        ...addresses.map((address) => der.taggedBytes(7, address)),
      ),
    ),
    extension('2.5.29.35', der.sequence(der.taggedBytes(0, authorityKeyId))),
  ]
}

function extension(identifier: string, value: Buffer): Buffer {
  return der.sequence(der.objectIdentifier(identifier), der.octetString(value))
}

function critical(identifier: string, value: Buffer): Buffer {
  return der.sequence(der.objectIdentifier(identifier), der.booleanTrue(), der.octetString(value))
}

function nameOf(commonName: string): Buffer {
  const attribute = der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8(commonName))
  return der.sequence(der.set(attribute))
}

function keyIdOf(keyInfo: Buffer): Buffer {
  return createHash('sha1').update(keyInfo).digest()
}

function validity(options: CertificateOptions): { notBefore: Date; notAfter: Date } {
  return {
    notBefore: options.notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: options.notAfter ?? new Date(Date.now() + 30 * DAY_MS),
  }
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
