import type * as openid from 'openid-client'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import type { HttpResponse } from '../http/http-client.ts'
import type { RetryingHttpClient } from '../http/retry.ts'
import { trustFor, urlOf } from '../http/url-policy.ts'
import {
  checkStatus,
  type Exchange,
  successOf,
  upstreamError,
} from '../providers/error-response.ts'
import { detectProfile, type ProviderProfile } from '../providers/profiles.ts'
import { type AuthMethod, authenticate, authMethodsFor } from './client-authentication.ts'
import type { Discovery, DiscoveryDocument } from './discovery.ts'
import type {
  Client,
  PasswordParameters,
  RefreshParameters,
  TokenExchangeParameters,
  TokenParameters,
  TokenResponse,
} from './provider.ts'
import {
  authorizationRequestParameters,
  refreshRequestParameters,
  tokenRequestParameters,
} from './token-parameters.ts'
import { type CheckedTokens, readTokenContent, tokenResponseOf } from './token-response.ts'

/** What the calls to providers share. */
export interface Upstream {
  readonly http: RetryingHttpClient
  readonly discovery: Discovery
  /** How clients were recognised that were not at first. */
  readonly recognised: Map<string, AuthMethod>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

type OpenIdLibrary = typeof openid

/** openid-client, set up to speak for one client to one provider. */
export interface Prepared {
  readonly library: OpenIdLibrary
  readonly configuration: openid.Configuration
  readonly document: DiscoveryDocument
  readonly profile: ProviderProfile
}

/** One call made through openid-client. */
export interface OpenIdCall<T> {
  readonly exchange: Exchange
  /** Makes of a successful answer what openid-client takes. Absent: its body does not matter. */
  readonly read?: (content: JsonObject) => JsonObject
  readonly use: (prepared: Prepared) => Promise<T>
}

/** What a call gave: openid-client's result and the answer it was made of. */
export interface OpenIdResult<T> {
  readonly result: T
  readonly response: HttpResponse
  readonly content: JsonObject
}

/**
 * Makes one call through openid-client as `client`. Where the provider does not recognise a client
 * that may show itself in another way, too, the call is made once more in that way: RFC 6749 §3.2.1
 * has the client checked before all else, so that nothing was used up.
 * @throws AgentError only.
 */
export async function callAs<T>(
  client: Client,
  upstream: Upstream,
  call: OpenIdCall<T>,
  signal: AbortSignal,
): Promise<OpenIdResult<T>> {
  const document = await upstream.discovery.find(client.provider, signal)
  const key = JSON.stringify([document.issuer, client.id])
  const possible = authMethodsFor(client, document)
  const known = possible.find((method) => method === upstream.recognised.get(key))
  const [method, other] = known === undefined ? possible : [known]
  const by = async (one: AuthMethod): Promise<OpenIdResult<T>> =>
    callOnce(await prepareWith(client, document, one), client, { upstream, call, signal })
  try {
    return await by(method)
  } catch (error) {
    if (other === undefined || !isUnrecognised(error)) throw error
    const second = await by(other).catch((reason: unknown) => {
      if (isUnrecognised(reason)) throw error
      upstream.recognised.set(key, other)
      throw reason
    })
    upstream.recognised.set(key, other)
    return second
  }
}

function isUnrecognised(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'invalid-client'
}

/**
 * The request goes out through our own fetch, which judges transport, status and form of the answer:
 * openid-client only sees good ones.
 */
async function callOnce<T>(
  prepared: Prepared,
  client: Client,
  { upstream, call, signal }: { upstream: Upstream; call: OpenIdCall<T>; signal: AbortSignal },
): Promise<OpenIdResult<T>> {
  const { library, configuration, document } = prepared
  const signed = client.authentication.kind === 'private_key_jwt'
  const exchange = { ...call.exchange, ...(signed ? { signedAt: upstream.now() } : {}) }
  let response: HttpResponse | undefined
  let content: JsonObject = {}
  configuration[library.customFetch] = async (url, request) => {
    response = await upstream.http.send(
      { url, method: 'POST', headers: request.headers, body: formOf(request.body) },
      trustFor(client.provider),
      signal,
    )
    if (call.read === undefined) {
      checkStatus(response, exchange)
      return new Response()
    }
    content = successOf(response, exchange)
    return Response.json(call.read(content))
  }
  try {
    const result = await call.use(prepared)
    if (response === undefined) throw new TypeError('openid-client sent nothing')
    return { result, response, content }
  } catch (error) {
    throw upstreamError(error, urlOf(document.token_endpoint).host)
  }
}

/** Loads openid-client and tells it who speaks to whom. */
export async function prepare(
  client: Client,
  { discovery }: Upstream,
  signal: AbortSignal,
): Promise<Prepared> {
  const document = await discovery.find(client.provider, signal)
  const [method] = authMethodsFor(client, document)
  return prepareWith(client, document, method)
}

async function prepareWith(
  client: Client,
  document: DiscoveryDocument,
  method: AuthMethod,
): Promise<Prepared> {
  if (client.id === '') {
    throw new AgentError('invalid-client', 'the account has no client_id')
  }
  const library = await import('openid-client')
  const configuration = new library.Configuration(
    serverOf(client, document),
    client.id,
    undefined,
    await authenticate(client, method, document, library),
  )
  // Http addresses are judged in web-address.ts, more strictly: this only lets the judged ones pass.
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- deprecated to catch the eye, not to go
  library.allowInsecureRequests(configuration)
  return { library, configuration, document, profile: detectProfile(client.provider, document) }
}

function serverOf(client: Client, document: DiscoveryDocument): openid.ServerMetadata {
  const { issuer, token_endpoint, authorization_endpoint, revocation_endpoint } = document
  const deviceEndpoint =
    client.deviceAuthorizationEndpoint ?? document.device_authorization_endpoint
  return {
    issuer,
    token_endpoint,
    ...(authorization_endpoint === undefined ? {} : { authorization_endpoint }),
    ...(revocation_endpoint === undefined ? {} : { revocation_endpoint }),
    ...(deviceEndpoint === undefined ? {} : { device_authorization_endpoint: deviceEndpoint }),
  }
}

function formOf(body: openid.FetchBody): string {
  if (body instanceof URLSearchParams) return body.toString()
  throw new TypeError('openid-client sent something else than a form')
}

/** One request to the token endpoint. */
interface TokenCall {
  readonly purpose: Exchange['purpose']
  /** What is sent and must not come back in a message, besides the client's own secret. */
  readonly secrets: readonly Secret[]
  readonly use: (prepared: Prepared) => Promise<CheckedTokens>
}

/**
 * Asks the token endpoint, whatever for: every grant is answered alike (RFC 6749 §5.1).
 * @throws AgentError only.
 */
export async function requestToken(
  client: Client,
  upstream: Upstream,
  { purpose, secrets, use }: TokenCall,
  signal: AbortSignal,
): Promise<TokenResponse> {
  const sentAt = upstream.now()
  const { result, content, response } = await callAs(
    client,
    upstream,
    {
      exchange: { purpose, secrets: [...secrets, ...secretsOf(client)] },
      read: readTokenContent,
      use,
    },
    signal,
  )
  return tokenResponseOf(result, content, response, { sentAt, receivedAt: upstream.now() })
}

/** What a client sends of its own that must not come back in a message. */
export function secretsOf({ secret }: Client): readonly Secret[] {
  return secret === undefined ? [] : [secret]
}

/** A new access token by refresh token (RFC 6749 §6). */
export function refreshTokenGrant(
  client: Client,
  grant: RefreshParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'refresh',
      secrets: [grant.refreshToken],
      use: ({ library, configuration, profile }) =>
        library.refreshTokenGrant(
          configuration,
          grant.refreshToken.reveal(),
          refreshRequestParameters(grant, client, profile),
        ),
    },
    signal,
  )
}

const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** Tokens for a name and a password (RFC 6749 §4.3.2). */
export function passwordGrant(
  client: Client,
  grant: PasswordParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'password',
      secrets: [grant.password],
      use: ({ library, configuration, profile }) => {
        const fields = authorizationRequestParameters(grant, client, profile)
        fields.set('username', grant.username)
        fields.set('password', grant.password.reveal())
        return library.genericGrantRequest(configuration, 'password', fields)
      },
    },
    signal,
  )
}

/** An access token for the client itself (RFC 6749 §4.4.2). */
export function clientCredentialsGrant(
  client: Client,
  parameters: TokenParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'client credentials',
      secrets: [],
      use: ({ library, configuration, profile }) =>
        library.clientCredentialsGrant(
          configuration,
          tokenRequestParameters(parameters, client, profile),
        ),
    },
    signal,
  )
}

/** An access token for a token of somebody else (RFC 8693 §2.1). */
export function tokenExchange(
  client: Client,
  grant: TokenExchangeParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'token exchange',
      secrets: [grant.subjectToken],
      use: ({ library, configuration, profile }) => {
        const fields = tokenRequestParameters(grant, client, profile)
        fields.set('subject_token', grant.subjectToken.reveal())
        fields.set('subject_token_type', grant.subjectTokenType)
        fields.set('requested_token_type', ACCESS_TOKEN_TYPE)
        return library.genericGrantRequest(configuration, EXCHANGE_GRANT, fields)
      },
    },
    signal,
  )
}
