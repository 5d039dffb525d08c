import { createPrivateKey, type JsonWebKey, type KeyObject, type webcrypto } from 'node:crypto'
import type * as openid from 'openid-client'
import { readRegularFile } from '../../protocol/storage/regular-file.ts'
import { AgentError, systemCode } from '../../protocol/wire/errors.ts'
import { isJsonObject } from '../../protocol/wire/json.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { fileAnswer } from '../file-answers.ts'
import { type HttpResponse, type ResponseRecovery, trustFor } from '../http/http-client.ts'
import type { RetryingHttpClient } from '../http/retry.ts'
import { checkStatus, type RequestContext, successBody } from '../providers/error-response.ts'
import type { Discovery, DiscoveryDocument } from './discovery.ts'
import type { Client } from './provider.ts'

/** What all requests to providers share. */
export interface ProviderContext {
  readonly http: RetryingHttpClient
  readonly discovery: Discovery
  /** The method by which a provider recognised a client, if it was not the first one tried. */
  readonly knownAuthMethods: Map<string, AuthMethod>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** A POST of a client to an endpoint of its provider. */
export interface ClientRequest extends RequestContext {
  readonly document: DiscoveryDocument
  readonly url: string
  readonly form: URLSearchParams
  /** `status`: a successful response may have any body, or none. */
  readonly expects: 'JSON' | 'status'
  readonly recovery?: ResponseRecovery | undefined
}

/** A successful response. */
export interface ClientResponse {
  readonly response: HttpResponse
  /** The JSON object in its body; empty if none was expected. */
  readonly content: JsonObject
}

/**
 * Sends a request with the client's authentication and judges the response. If the provider does not
 * recognise the client and another method is possible, the request is repeated once with that method:
 * the provider authenticates the client before it processes a request (RFC 6749 §3.2.1), so nothing was
 * used up. The method that works is remembered.
 * @throws AgentError for an error response; that to the first method, if neither method is accepted.
 */
export async function postAsClient(
  client: Client,
  request: ClientRequest,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<ClientResponse> {
  assertClientId(client)
  const { knownAuthMethods } = context
  const key = JSON.stringify([request.document.issuer, client.id])
  const possible = authMethodsFor(client, request.document)
  const known = possible.find((method) => method === knownAuthMethods.get(key))
  const [method, other] = known === undefined ? possible : [known]
  const post = (one: AuthMethod): Promise<ClientResponse> =>
    postOnce(client, one, request, { context, signal })
  try {
    return await post(method)
  } catch (error) {
    if (other === undefined || !isUnrecognised(error)) throw error
    try {
      const response = await post(other)
      knownAuthMethods.set(key, other)
      return response
    } catch (second) {
      if (isUnrecognised(second)) throw error
      knownAuthMethods.set(key, other)
      throw second
    }
  }
}

function isUnrecognised(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'invalid-client'
}

async function postOnce(
  client: Client,
  method: AuthMethod,
  request: ClientRequest,
  { context, signal }: { readonly context: ProviderContext; readonly signal: AbortSignal },
): Promise<ClientResponse> {
  const { purpose, secrets, document, url, expects, recovery } = request
  const form = new URLSearchParams(request.form)
  const headers = new Headers({
    ...(expects === 'JSON' ? { accept: 'application/json' } : {}),
    'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
  })
  await authenticate(client, method, document, { form, headers })
  const signedAt = method === 'private_key_jwt' ? context.now() : undefined
  const response = await context.http.send(
    { url, method: 'POST', headers: Object.fromEntries(headers), body: form.toString(), recovery },
    trustFor(client.provider),
    signal,
  )
  const sent = [...secrets, ...(client.secret === undefined ? [] : [client.secret])]
  const judged = { purpose, secrets: sent, signedAt }
  if (expects === 'JSON') return { response, content: successBody(response, judged) }
  checkStatus(response, judged)
  return { response, content: {} }
}

/** @throws AgentError `invalid-client` if the account has no client_id. */
export function assertClientId({ id }: Client): void {
  if (id === '') throw new AgentError('invalid-client', 'the account has no client_id')
}

/** How a client authenticates at the token endpoint (RFC 6749 §2.3, OpenID Connect Core §9). */
export type AuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'

const configuredMethods = {
  none: 'none',
  basic: 'client_secret_basic',
  post: 'client_secret_post',
  private_key_jwt: 'private_key_jwt',
} as const satisfies Readonly<Record<string, AuthMethod>>

/**
 * The methods to try for a client, in this order. Without a configured method, a public client sends its
 * id in the form, with its secret if it has one (protocol.md §4); a confidential client uses Basic, or
 * the form if the provider supports only that. If the provider supports both, the form is the second,
 * as the client may be registered for it.
 */
export function authMethodsFor(
  { authentication, secret, isPublic }: Client,
  document: DiscoveryDocument,
): readonly [AuthMethod, ...AuthMethod[]] {
  if (authentication.kind !== 'automatic') return [configuredMethods[authentication.kind]]
  if (secret === undefined) return ['none']
  if (isPublic) return ['client_secret_post']
  const first = confidentialMethod(document)
  const supportsForm = supportedMethods(document).includes('client_secret_post')
  return first === 'client_secret_basic' && supportsForm ? [first, 'client_secret_post'] : [first]
}

/** RFC 8414 §2: a provider that lists no methods supports Basic. */
export function confidentialMethod(document: DiscoveryDocument): AuthMethod {
  const supported = supportedMethods(document)
  const onlyForm =
    supported.includes('client_secret_post') && !supported.includes('client_secret_basic')
  return onlyForm ? 'client_secret_post' : 'client_secret_basic'
}

function supportedMethods(document: DiscoveryDocument): readonly string[] {
  return document.token_endpoint_auth_methods_supported ?? []
}

/** The parts of a request that carry the client's authentication. */
export interface FormRequest {
  readonly form: URLSearchParams
  readonly headers: Headers
}

/**
 * Adds the client's authentication to a request.
 * @throws AgentError `file-unreadable` or `file-malformed` for the key file of `private_key_jwt`.
 */
export async function authenticate(
  client: Client,
  method: AuthMethod,
  document: DiscoveryDocument,
  { form, headers }: FormRequest,
): Promise<void> {
  const { authentication } = client
  if (authentication.kind === 'private_key_jwt') {
    await signAssertion(client, authentication.keyFile, document, form)
    return
  }
  const secret = client.secret?.reveal() ?? ''
  if (method === 'client_secret_basic') {
    const pair = `${basicPart(client.id).replaceAll(':', '%3A')}:${basicPart(secret)}`
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
    return
  }
  form.set('client_id', client.id)
  if (method === 'client_secret_post') form.set('client_secret', secret)
}

/**
 * RFC 6749 §2.3.1 requires form-encoding of id and secret before Base64, but some providers do not decode
 * them, and openid-client encodes even the hyphens of a UUID. So only the characters are encoded that a
 * provider that does decode would misread.
 */
function basicPart(text: string): string {
  return text.replace(/[%+\s]|[^\x20-\x7e]+/g, (part) => encodeURIComponent(part))
}

/** RFC 7523 §2.2. */
async function signAssertion(
  client: Client,
  keyFile: string,
  document: DiscoveryDocument,
  form: URLSearchParams,
): Promise<void> {
  const { key, algorithm, kid } = await readSigningKey(
    keyFile,
    document.token_endpoint_auth_signing_alg_values_supported ?? [],
  )
  const library = await import('openid-client')
  // The declared return type is void, but this function returns a promise.
  const sign: (...parameters: Parameters<openid.ClientAuth>) => unknown = library.PrivateKeyJwt(
    kid === undefined ? { key } : { key, kid },
    {
      [library.modifyAssertion]: (header) => {
        header['alg'] = algorithm
      },
    },
  )
  await sign({ issuer: document.issuer }, { client_id: client.id }, form, new Headers())
}

/** A client's key for its assertions. */
interface SigningKey {
  readonly key: webcrypto.CryptoKey
  /** JWS algorithm (RFC 7518 §3.1). */
  readonly algorithm: string
  /** The key's id; undefined for PEM files, which have none. */
  readonly kid: string | undefined
}

const algorithmOfCurve: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

const rsaAlgorithms: readonly string[] = ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512']

/**
 * Reads a private key, PEM (PKCS #8, PKCS #1, SEC 1) or JWK. The file is read for each assertion, as keys
 * are replaced, and the key does not stay in memory.
 * @param supported the provider's algorithms; empty if it does not list them
 * @throws AgentError `file-unreadable` or `file-malformed`, with the file's name and no part of its content
 */
async function readSigningKey(path: string, supported: readonly string[]): Promise<SigningKey> {
  const { key, kid } = parseKey(await readText(path), path)
  const algorithm = algorithmFor(key, supported)
  if (algorithm === undefined) {
    throw malformed(path, `a ${key.asymmetricKeyType ?? 'secret'} key cannot sign for a client`)
  }
  // jose is loaded only for clients that sign.
  const { importPKCS8 } = await import('jose')
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { key: await importPKCS8(pem, algorithm), algorithm, kid }
}

function parseKey(text: string, path: string): { key: KeyObject; kid: string | undefined } {
  // Node's own error may quote the key.
  try {
    if (!text.trimStart().startsWith('{')) return { key: createPrivateKey(text), kid: undefined }
    const jwk: unknown = JSON.parse(text)
    if (!isJsonObject(jwk)) throw new TypeError('not an object')
    const kid = jwk['kid']
    return {
      key: createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }),
      kid: typeof kid === 'string' ? kid : undefined,
    }
  } catch {
    throw malformed(path, 'it is not a private key in PEM or JWK format, or it has a passphrase')
  }
}

function algorithmFor(key: KeyObject, supported: readonly string[]): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa') {
    return rsaAlgorithms.find((one) => supported.includes(one)) ?? rsaAlgorithms[0]
  }
  if (type === 'ec') return algorithmOfCurve[details?.namedCurve ?? '']
  if (type !== 'ed25519') return undefined
  return supported.includes('Ed25519') && !supported.includes('EdDSA') ? 'Ed25519' : 'EdDSA'
}

/** A 16384-bit RSA key has 13 kB. */
const MAX_KEY_BYTES = 64 * 1024

async function readText(path: string): Promise<string> {
  try {
    return await fileAnswer(`key ${path}`, () => readRegularFile(path, MAX_KEY_BYTES))
  } catch (error) {
    const why = systemCode(error) ?? messageOf(error)
    throw new AgentError('file-unreadable', `private key ${path} cannot be read: ${why}`)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown reason'
}

function malformed(path: string, why: string): AgentError {
  return new AgentError('file-malformed', `private key ${path} cannot be used: ${why}`)
}
