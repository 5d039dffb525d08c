import type * as openid from 'openid-client'
import { AgentError } from '../../protocol/errors.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { authenticate, authMethodFor } from './client-auth.ts'
import type { Discovery, DiscoveryDocument } from './discovery.ts'
import { familyOf, type ProviderFamily } from './families.ts'
import type { HttpAnswer } from './http-fetch.ts'
import type { PatientFetch } from './patient-fetch.ts'
import type { Client } from './provider.ts'
import { checkStatus, type Exchange, successOf, upstreamError } from './upstream-error.ts'
import { trustFor, urlOf } from './web-address.ts'

/** What the calls to providers share. */
export interface Upstream {
  readonly http: PatientFetch
  readonly discovery: Discovery
  /** Milliseconds since 1970. */
  readonly now: () => number
}

type OpenIdLibrary = typeof openid

/** openid-client, set up to speak for one client to one provider. */
export interface Prepared {
  readonly library: OpenIdLibrary
  readonly configuration: openid.Configuration
  readonly document: DiscoveryDocument
  readonly family: ProviderFamily
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
  readonly answer: HttpAnswer
  readonly content: JsonObject
}

/**
 * Makes one call through openid-client as `client`. The request goes out through our own fetch,
 * which judges transport, status and form of the answer: openid-client only sees good ones.
 * @throws AgentError only.
 */
export async function callAs<T>(
  client: Client,
  upstream: Upstream,
  call: OpenIdCall<T>,
  signal: AbortSignal,
): Promise<OpenIdResult<T>> {
  const prepared = await prepare(client, upstream, signal)
  const { library, configuration, document } = prepared
  let answer: HttpAnswer | undefined
  let content: JsonObject = {}
  configuration[library.customFetch] = async (url, request) => {
    answer = await upstream.http.send(
      { url, method: 'POST', headers: request.headers, body: formOf(request.body) },
      trustFor(client.provider),
      signal,
    )
    if (call.read === undefined) {
      checkStatus(answer, call.exchange)
      return new Response()
    }
    content = successOf(answer, call.exchange)
    return Response.json(call.read(content))
  }
  try {
    const result = await call.use(prepared)
    if (answer === undefined) throw new TypeError('openid-client sent nothing')
    return { result, answer, content }
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
  const library = await import('openid-client')
  const configuration = configure(library, client, document)
  return { library, configuration, document, family: familyOf(document.issuer, document) }
}

function configure(
  library: OpenIdLibrary,
  client: Client,
  document: DiscoveryDocument,
): openid.Configuration {
  if (client.id === '') {
    throw new AgentError('invalid-client', 'the account has no client_id')
  }
  const configuration = new library.Configuration(
    serverOf(client, document),
    client.id,
    undefined,
    authenticate(client, authMethodFor(client, document)),
  )
  // Http addresses are judged in web-address.ts, more strictly: this only lets the judged ones pass.
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- deprecated to catch the eye, not to go
  library.allowInsecureRequests(configuration)
  return configuration
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
