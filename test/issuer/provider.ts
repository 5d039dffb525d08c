import { exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose'
import type { ReceivedRequest } from './requests.ts'
import { type ErrorResponses, type Fields, type HttpResponse, OAuthError } from './response.ts'
import type { Behaviour, EndpointName, Scenario } from './settings.ts'
import type { Store } from './store.ts'

/** All that a test may change while the provider runs. */
export interface Settings extends Behaviour, Scenario {}

/** What every endpoint is given. */
export interface Provider {
  readonly origin: string
  /** The present settings; a change replaces the whole record. */
  readonly settings: Settings
  readonly store: Store
  readonly key: SigningKey
  /** Of the platform whose JWTs the token exchange accepts. */
  readonly platformKey: SigningKey
}

/** Answers a request to one endpoint. @throws OAuthError with the error response, if there is one. */
export type Endpoint = (
  provider: Provider,
  request: ReceivedRequest,
) => HttpResponse | Promise<HttpResponse>

/** The issuer identifier, exactly as published. */
export function issuerOf({ origin, settings }: Provider): string {
  return `${origin}${settings.issuerPath}`
}

/** The URL of an endpoint. @throws Error if the provider has no such endpoint. */
export function urlOf({ origin, settings }: Provider, endpoint: EndpointName): string {
  const path = settings.paths[endpoint]
  if (path === undefined) throw new Error(`${settings.product} has no ${endpoint} endpoint`)
  return `${origin}${path}`
}

/** Unix seconds by the provider's clock. */
export function secondsNow({ settings }: Provider): number {
  return Math.floor(Date.now() / 1000) + settings.clockOffsetSeconds
}

/** A required parameter of a form. @throws OAuthError `parameterMissing` if it is absent. */
export function parameter(provider: Provider, request: ReceivedRequest, name: string): string {
  return request.form[name] ?? refuse(provider, 'parameterMissing', name)
}

/** Whether the lifetime of a code or a token has ended by the provider's clock. */
export function isExpired(
  provider: Provider,
  { expiresAt }: { expiresAt: number | undefined },
): boolean {
  return expiresAt !== undefined && expiresAt <= secondsNow(provider)
}

/** Ends a request with one of the provider's error responses. @throws OAuthError always. */
export function refuse(
  { settings }: Provider,
  reason: keyof ErrorResponses,
  about = '',
  clientId = '',
): never {
  throw new OAuthError(settings.errorResponses[reason](about, clientId))
}

/** Signs a provider's tokens. */
export interface SigningKey {
  /** The public key, as the jwks endpoint returns it. */
  readonly jwk: JWK
  readonly sign: (claims: Fields, header?: Fields) => Promise<string>
}

let sharedKey: Promise<SigningKey> | undefined

/**
 * An RSA key, as the products sign with RS256 by default. It takes a tenth of a second to make, so
 * all providers of a process share one.
 */
export function signingKey(): Promise<SigningKey> {
  sharedKey ??= newSigningKey('RS256', 'test-1')
  return sharedKey
}

/** A new key, e.g. for a client that authenticates by assertion. */
export async function newSigningKey(algorithm: string, keyId: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return {
    jwk: { ...(await exportJWK(publicKey)), kid: keyId, use: 'sig', alg: algorithm },
    sign: (claims, header = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: algorithm, kid: keyId, ...header })
        .sign(privateKey),
  }
}

/** A JWT with `alg` none and no signature. */
export function unsigned(claims: Fields): string {
  return new UnsecuredJWT(claims).encode()
}
