import { createLocalJWKSet, decodeJwt, errors, jwtVerify } from 'jose'
import { issuerOf, type Provider, refuse, secondsNow, urlOf } from './provider.ts'
import type { ReceivedRequest } from './requests.ts'
import type { ClientAuthMethod } from './settings.ts'
import type { KnownClient } from './store.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** The client authentication in a request. */
interface Credentials {
  readonly method: ClientAuthMethod
  readonly id: string
  /** Secret or assertion. */
  readonly proof: string
}

/**
 * Authenticates the client of a request (RFC 6749 §2.3, RFC 7523 §2.2).
 * @throws OAuthError
 */
export async function authenticate(
  provider: Provider,
  request: ReceivedRequest,
): Promise<KnownClient> {
  const credentials = credentialsIn(request)
  if (credentials === undefined) return refuse(provider, 'parameterMissing', 'client_id')
  const client = provider.store.clients.get(credentials.id)
  if (client === undefined) return refuse(provider, 'clientUnknown', credentials.id)
  await prove(provider, client, credentials)
  checkNotSuspended(provider, client)
  return client
}

/** @throws OAuthError `clientSuspended` if an administrator suspended the clients. */
export function checkNotSuspended(provider: Provider, client: KnownClient): void {
  if (provider.settings.clientsSuspended) refuse(provider, 'clientSuspended', client.id, client.id)
}

/** The client id in a request, in any form, not authenticated. */
export function clientIdIn(request: ReceivedRequest): string | undefined {
  return credentialsIn(request)?.id
}

function credentialsIn(request: ReceivedRequest): Credentials | undefined {
  const { form, headers } = request
  const id = form['client_id']
  const assertion = form['client_assertion']
  if (assertion !== undefined && form['client_assertion_type'] === ASSERTION_TYPE) {
    return { method: 'private_key_jwt', id: id ?? subjectOf(assertion), proof: assertion }
  }
  const basic = basicCredentials(headers['authorization'])
  if (basic !== undefined) return basic
  if (id === undefined) return undefined
  const secret = form['client_secret']
  if (secret === undefined) return { method: 'none', id, proof: '' }
  return { method: 'client_secret_post', id, proof: secret }
}

function basicCredentials(header: string | undefined): Credentials | undefined {
  const encoded = /^Basic +(\S+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)]
  return { method: 'client_secret_basic', id: formDecoded(id), proof: formDecoded(secret) }
}

/** RFC 6749 §2.3.1: both are form-encoded before they are joined. */
function formDecoded(text: string): string {
  return new URLSearchParams(`value=${text}`).get('value') ?? ''
}

async function prove(
  provider: Provider,
  client: KnownClient,
  { method, proof }: Credentials,
): Promise<void> {
  if (client.authMethod === 'none') {
    const refused = proof !== '' && provider.settings.secretOfPublicClient === 'refused'
    if (refused) refuse(provider, 'clientSecretWrong', 'a public client has none', client.id)
    return
  }
  if (!isAllowed(provider, client, method)) refuse(provider, 'clientSecretWrong', method, client.id)
  if (method === 'private_key_jwt') await checkAssertion(provider, client, proof)
  else if (proof !== client.secret) refuse(provider, 'clientSecretWrong', '', client.id)
}

function isAllowed({ settings }: Provider, client: KnownClient, method: ClientAuthMethod): boolean {
  if (!settings.clientAuthMethods.includes(method)) return false
  if (client.authMethod === method) return true
  const bothSecrets = client.authMethod.startsWith('client_secret') && method.startsWith('client_')
  return bothSecrets && !settings.onlyRegisteredAuthMethod
}

/** RFC 7523 §3; each assertion may be used once. */
async function checkAssertion(
  provider: Provider,
  client: KnownClient,
  assertion: string,
): Promise<void> {
  try {
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(client.jwks ?? { keys: [] }), {
      issuer: client.id,
      subject: client.id,
      audience: [urlOf(provider, 'token'), issuerOf(provider)],
      requiredClaims: ['exp', 'jti'],
      currentDate: new Date(secondsNow(provider) * 1000),
    })
    const jti = payload.jti ?? ''
    if (provider.store.assertions.has(jti)) refuse(provider, 'clientSecretWrong', 'used before')
    provider.store.assertions.add(jti)
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    refuse(provider, 'clientSecretWrong', error.message, client.id)
  }
}

function subjectOf(assertion: string): string {
  try {
    return decodeJwt(assertion).sub ?? ''
  } catch {
    return ''
  }
}

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). */
export function bearerToken({ headers }: ReceivedRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers['authorization'] ?? '')?.[1]
}
