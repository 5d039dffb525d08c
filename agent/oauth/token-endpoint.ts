import type * as openid from 'openid-client'
import { words } from '../../protocol/storage/account.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import { type HttpResponse, type ResponseRecovery, urlOf } from '../http/http-client.ts'
import { libraryError } from '../providers/error-response.ts'
import type { ProviderProfile, RequestPurpose } from '../providers/profiles.ts'
import { type ProviderContext, postAsClient } from './client-authentication.ts'
import type { DiscoveryDocument } from './discovery.ts'
import type {
  Client,
  PasswordParameters,
  RefreshParameters,
  RefreshTokenRecovery,
  TokenExchangeParameters,
  TokenParameters,
  TokenResponse,
} from './provider.ts'
import {
  checkableMembers,
  newRefreshTokenIn,
  recoverableRefreshToken,
  tokenResponseOf,
} from './token-response.ts'

const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** A new access token by refresh token (RFC 6749 §6). */
export function refreshTokenGrant(
  client: Client,
  grant: RefreshParameters,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    {
      purpose: 'refresh',
      grantType: 'refresh_token',
      secrets: [grant.refreshToken],
      refresh: grant,
      parameters: (profile) => {
        const form = refreshRequestParameters(grant, client, profile)
        form.set('refresh_token', grant.refreshToken.reveal())
        return form
      },
    },
    context,
    signal,
  )
}

/** Tokens for a user name and a password (RFC 6749 §4.3.2). */
export function passwordGrant(
  client: Client,
  grant: PasswordParameters,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    {
      purpose: 'password',
      grantType: 'password',
      secrets: [grant.password],
      parameters: (profile) => {
        const form = authorizationRequestParameters(grant, client, profile)
        form.set('username', grant.username)
        form.set('password', grant.password.reveal())
        return form
      },
    },
    context,
    signal,
  )
}

/** An access token for the client itself (RFC 6749 §4.4.2). */
export function clientCredentialsGrant(
  client: Client,
  grant: TokenParameters,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    {
      purpose: 'client credentials',
      grantType: 'client_credentials',
      secrets: [],
      parameters: (profile) => tokenRequestParameters(grant, client, profile),
    },
    context,
    signal,
  )
}

/** An access token for a subject token (RFC 8693 §2.1). */
export function tokenExchange(
  client: Client,
  grant: TokenExchangeParameters,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    {
      purpose: 'token exchange',
      grantType: EXCHANGE_GRANT,
      secrets: [grant.subjectToken],
      parameters: (profile) => {
        const form = tokenRequestParameters(grant, client, profile)
        form.set('subject_token', grant.subjectToken.reveal())
        form.set('subject_token_type', grant.subjectTokenType)
        form.set('requested_token_type', ACCESS_TOKEN_TYPE)
        return form
      },
    },
    context,
    signal,
  )
}

/** One request to the token endpoint. */
interface TokenRequest {
  readonly purpose: RequestPurpose
  readonly grantType: string
  /** Values that are sent and must not appear in a message, besides the client's secret. */
  readonly secrets: readonly Secret[]
  readonly parameters: (profile: ProviderProfile) => URLSearchParams
  /** Of a refresh: the token that is sent, and what becomes of a new one. */
  readonly refresh?: Pick<RefreshParameters, 'refreshToken' | 'recovery'>
}

/**
 * One exchange with the token endpoint: the response has the same form for every grant (RFC 6749 §5.1).
 * @throws AgentError
 */
export async function requestToken(
  client: Client,
  { purpose, grantType, secrets, parameters, refresh }: TokenRequest,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<TokenResponse> {
  const { document, profile } = await context.discovery.find(client.provider, signal)
  const form = parameters(profile)
  form.set('grant_type', grantType)
  if (refresh !== undefined) await rehearse(client, document)
  const sentAt = context.now()
  const watch = refresh?.recovery && watchResponses(refresh.refreshToken, refresh.recovery)
  try {
    const { response, content } = await postAsClient(
      client,
      {
        purpose,
        secrets,
        document,
        url: document.token_endpoint,
        form,
        expects: 'JSON',
        recovery: watch?.http,
      },
      context,
      signal,
    )
    const received = withNewRefreshToken(content, response, refresh?.refreshToken)
    const times = { sentAt, receivedAt: context.now() }
    const tokens = await checkTokens(client, document, grantType, received)
    return tokenResponseOf(tokens, content, response, times)
  } catch (error) {
    watch?.failed()
    throw error
  }
}

function checkTokens(
  client: Client,
  document: DiscoveryDocument,
  grantType: string,
  content: JsonObject,
): Promise<openid.TokenEndpointResponse> {
  return checkResponse(client, document, checkableMembers(content), (library, at) =>
    library.genericGrantRequest(at, grantType, {}),
  )
}

let rehearsal: Promise<unknown> | undefined

/**
 * Reads a made-up response before the first refresh token of this process is sent: the libraries are loaded
 * then. Loading them afterwards, while the new refresh token is in memory only, would take 20 to 90 ms.
 */
async function rehearse(client: Client, document: DiscoveryDocument): Promise<void> {
  const content = { access_token: 'eyJhbGciOiJub25lIn0.e30.', token_type: 'Bearer' }
  const url = new URL(document.issuer)
  const response = { url, status: 200, headers: {}, body: JSON.stringify(content) }
  rehearsal ??= checkTokens(client, document, 'refresh_token', content)
    .then((tokens) => tokenResponseOf(tokens, content, response, { sentAt: 0, receivedAt: 0 }))
    .catch(() => undefined)
  await rehearsal
}

/** Duplicate members: JSON.parse takes the last, which may be the refresh token that was sent. */
function withNewRefreshToken(
  content: JsonObject,
  { body }: HttpResponse,
  sent: Secret | undefined,
): JsonObject {
  if (sent === undefined || content['refresh_token'] !== sent.reveal()) return content
  const refreshToken = newRefreshTokenIn(body, sent)
  return refreshToken === undefined ? content : { ...content, refresh_token: refreshToken }
}

/** Finds the new refresh token in the last response to a refresh, if the refresh fails. */
function watchResponses(
  sent: Secret,
  { recovered, late }: RefreshTokenRecovery,
): { readonly http: ResponseRecovery; readonly failed: () => void } {
  let last: HttpResponse | undefined
  let hasFailed = false
  const recover = (): void => {
    const refreshToken = last && recoverableRefreshToken(last, sent)
    if (refreshToken !== undefined) recovered(refreshToken)
  }
  return {
    http: {
      received: (response) => {
        last = response
        if (hasFailed) recover()
      },
      late,
    },
    failed: () => {
      hasFailed = true
      recover()
    },
  }
}

type OpenIdLibrary = typeof openid

/**
 * Has openid-client check a response that has already arrived: in place of the network, `call` receives
 * `content`.
 * @throws AgentError `provider-answer` if openid-client refuses the response.
 */
export async function checkResponse<T>(
  client: Client,
  document: DiscoveryDocument,
  content: JsonObject,
  call: (library: OpenIdLibrary, configuration: openid.Configuration) => Promise<T>,
): Promise<T> {
  const { library, configuration } = await configureLibrary(client, document)
  configuration[library.customFetch] = () => Promise.resolve(Response.json(content))
  try {
    return await call(library, configuration)
  } catch (error) {
    throw libraryError(error, urlOf(document.token_endpoint).host)
  }
}

/** openid-client, configured for a client and its provider. It is loaded at the first call. */
export async function configureLibrary(
  client: Client,
  document: DiscoveryDocument,
): Promise<{ readonly library: OpenIdLibrary; readonly configuration: openid.Configuration }> {
  const library = await import('openid-client')
  const { issuer, token_endpoint, authorization_endpoint } = document
  const deviceEndpoint =
    client.deviceAuthorizationEndpoint ?? document.device_authorization_endpoint
  const server = {
    issuer,
    token_endpoint,
    ...(authorization_endpoint === undefined ? {} : { authorization_endpoint }),
    ...(deviceEndpoint === undefined ? {} : { device_authorization_endpoint: deviceEndpoint }),
  }
  const configuration = new library.Configuration(server, client.id, undefined, library.None())
  // http-client.ts checks the scheme of every URL, and more strictly: plain http only on loopback.
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- deprecated as a warning, not for removal
  library.allowInsecureRequests(configuration)
  return { library, configuration }
}

/** Scope and audience of a token request, in the request parameters that the provider expects. */
function tokenRequestParameters(
  { scope, audience }: TokenParameters,
  client: Client,
  profile: ProviderProfile,
): URLSearchParams {
  const form = new URLSearchParams()
  const audiences = words(audience)
  const parameter = client.audienceParameter ?? profile.audienceParameter
  const scopes = parameter === 'scope' ? scopesFor(audiences, words(scope)) : words(scope)
  if (scopes.length > 0) form.set('scope', scopes.join(' '))
  if (audiences.length === 0) return form
  if (parameter === 'resource' || parameter === 'both') {
    // RFC 8707 §2: one parameter per resource.
    for (const resource of audiences) form.append('resource', resource)
  }
  if (parameter === 'audience' || parameter === 'both') {
    // Providers without RFC 8707 read one list from one parameter (wlcg.md §6, "Refresh").
    form.set('audience', audiences.join(' '))
  }
  return form
}

/** The same for a login, at which a refresh token may be requested. */
export function authorizationRequestParameters(
  parameters: TokenParameters,
  client: Client,
  profile: ProviderProfile,
): URLSearchParams {
  if (profile.offlineAccess === 'offline_access')
    return tokenRequestParameters(parameters, client, profile)
  const scope = words(parameters.scope).filter((word) => word !== 'offline_access')
  return tokenRequestParameters({ ...parameters, scope: scope.join(' ') }, client, profile)
}

/** The same for a refresh. Without a scope, the token has what was originally granted (RFC 6749 §6). */
function refreshRequestParameters(
  parameters: TokenParameters,
  client: Client,
  profile: ProviderProfile,
): URLSearchParams {
  const form = tokenRequestParameters(parameters, client, profile)
  const scopes = words(form.get('scope') ?? '')
  if (profile.refreshScope === 'as requested' || scopes.length === 0) return form
  if (!scopes.includes('offline_access')) form.set('scope', [...scopes, 'offline_access'].join(' '))
  return form
}

/**
 * The requested scopes, and `<audience>/.default` for each audience that none of them names. `.default`
 * stands for everything that was granted there.
 */
function scopesFor(audiences: readonly string[], scopes: readonly string[]): readonly string[] {
  const services = audiences.map((audience) => audience.replace(/\/$/, ''))
  const missing = services.filter(
    (service) => !scopes.some((scope) => scope.startsWith(`${service}/`)),
  )
  return [...scopes, ...missing.map((service) => `${service}/.default`)]
}
