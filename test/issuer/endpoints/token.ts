import { createHash } from 'node:crypto'
import { createLocalJWKSet, errors, jwtVerify } from 'jose'
import { authenticate } from '../client-authentication.ts'
import { newGrant, refreshAudience, requestedAudience } from '../grant.ts'
import {
  type Endpoint,
  isExpired,
  type Provider,
  parameter,
  refuse,
  secondsNow,
} from '../provider.ts'
import type { ReceivedRequest } from '../requests.ts'
import type { HttpResponse } from '../response.ts'
import { expandDefaultScopes, permitted, refreshScope, words } from '../scopes.ts'
import { DEVICE_GRANT, EXCHANGE_GRANT } from '../settings.ts'
import type { AuthorizationCode, DeviceCode, Grant, KnownClient, RefreshToken } from '../store.ts'
import { newRefreshToken, tokenResponse } from '../tokens.ts'

/** Answers one kind of token request, from a client that has authenticated. */
type GrantHandler = (
  provider: Provider,
  client: KnownClient,
  request: ReceivedRequest,
) => Promise<HttpResponse>

/** The exchange of a code (RFC 6749 §4.1.3, RFC 7636 §4.5). */
const authorizationCode: GrantHandler = async (provider, client, request) => {
  const code = provider.store.codes.get(parameter(provider, request, 'code'))
  if (code?.grant.clientId !== client.id) return refuse(provider, 'codeInvalid')
  // RFC 6749 §4.1.2: a second use revokes the tokens of the first.
  if (code.used) provider.store.revoke(code.grant)
  const isGood = !code.used && !isExpired(provider, code)
  if (!isGood || code.redirectUri !== request.form['redirect_uri']) refuse(provider, 'codeInvalid')
  checkVerifier(provider, code, request)
  code.used = true
  return firstTokens(provider, client, code.grant)
}

function checkVerifier(
  provider: Provider,
  { challenge, challengeMethod }: AuthorizationCode,
  { form }: ReceivedRequest,
): void {
  if (challenge === undefined) return
  const verifier = form['code_verifier'] ?? refuse(provider, 'parameterMissing', 'code_verifier')
  const derived =
    challengeMethod === 'S256'
      ? createHash('sha256').update(verifier).digest('base64url')
      : verifier
  if (derived !== challenge) refuse(provider, 'verifierWrong')
}

/** A poll for the tokens of a device code (RFC 8628 §3.4). */
const deviceCode: GrantHandler = async (provider, client, request) => {
  const { store, settings } = provider
  const device = store.deviceCodes.get(parameter(provider, request, 'device_code'))
  if (device?.grant.clientId !== client.id) {
    return refuse(provider, 'deviceUnknown')
  }
  device.polls += 1
  if (device.polls <= settings.slowDowns) refuse(provider, 'deviceSlowDown')
  if (isExpired(provider, device)) {
    store.deviceCodes.delete(device.code)
    refuse(provider, 'deviceExpired')
  }
  switch (decisionOn(provider, device)) {
    case 'none':
      return refuse(provider, 'devicePending')
    case 'denied':
      return refuse(provider, settings.denialReported ? 'deviceDenied' : 'devicePending')
    case 'approved':
      store.deviceCodes.delete(device.code)
      return firstTokens(provider, client, device.grant)
  }
}

function decisionOn({ settings }: Provider, { decision }: DeviceCode): DeviceCode['decision'] {
  if (decision !== 'none' || settings.person === 'absent') return decision
  return settings.person === 'approves' ? 'approved' : 'denied'
}

/** RFC 6749 §4.3. */
const password: GrantHandler = async (provider, client, request) => {
  const name = parameter(provider, request, 'username')
  const right = provider.settings.passwords[name]
  const given = parameter(provider, request, 'password')
  if (right === undefined || right !== given) refuse(provider, 'passwordWrong')
  const grant = newGrant(provider, client, request.fields, { subject: name })
  return firstTokens(provider, client, grant)
}

/** RFC 6749 §4.4: for confidential clients only, and without a refresh token. */
const clientCredentials: GrantHandler = async (provider, client, request) => {
  if (client.authMethod === 'none')
    refuse(provider, 'clientMayNot', 'client_credentials', client.id)
  const grant = newGrant(provider, client, request.fields, { subject: client.id })
  return tokenResponse(provider, grant, grant, {})
}

/** RFC 6749 §6. */
const refresh: GrantHandler = async (provider, client, request) => {
  const { settings, store } = provider
  const token = liveToken(provider, client, parameter(provider, request, 'refresh_token'))
  const { grant } = token
  checkUser(provider, grant)
  const requested = expandDefaultScopes(provider, client, words(request.form['scope']))
  const scope = permitted(provider, refreshScope(provider, client, grant.scope, requested))
  const audience = refreshAudience(provider, grant, requestedAudience(provider, request.fields))
  // The request succeeds from here on: a refresh token is used up only for a successful response.
  const isOmitted = settings.offlineAccessAtRefresh && !requested.includes('offline_access')
  const refreshToken = isOmitted ? undefined : await rotated(provider, token)
  if (settings.earlierAccessTokensDeleted) store.forgetAccessTokens(grant)
  const { idTokenAtRefresh: idToken } = settings
  return tokenResponse(provider, grant, { scope, audience }, { refreshToken, idToken })
}

function liveToken(provider: Provider, client: KnownClient, value: string): RefreshToken {
  const { store, settings } = provider
  const token = store.refreshTokens.get(value)
  if (token === undefined) return refuse(provider, 'refreshTokenDead', value)
  if (token.grant.clientId !== client.id) {
    if (settings.foreignClientDeletesRefreshToken) store.refreshTokens.delete(value)
    return refuse(provider, 'refreshTokenDead', value)
  }
  if (token.grant.revoked || isExpired(provider, token)) refuse(provider, 'refreshTokenDead', value)
  if (token.spent && settings.rotation === 'new one, reuse revokes the family') {
    store.revoke(token.grant)
    refuse(provider, 'refreshTokenReused', value)
  }
  return token.spent ? refuse(provider, 'refreshTokenDead', value) : token
}

/** The refresh token in the response. */
async function rotated(provider: Provider, token: RefreshToken): Promise<RefreshToken | undefined> {
  switch (provider.settings.rotation) {
    case 'same token comes back':
      return token
    case 'no token comes back':
      return undefined
    case 'new one, old one stays':
      return newRefreshToken(provider, token.grant)
    case 'new one, old one dies':
    case 'new one, reuse revokes the family':
      token.spent = true
      return newRefreshToken(provider, token.grant)
  }
}

const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt'

/**
 * RFC 8693 §2. The subject token is an access token of this provider, or a JWT of the platform that
 * the provider trusts, such as the ID token of a CI job.
 */
const tokenExchange: GrantHandler = async (provider, client, request) => {
  const subjectToken = parameter(provider, request, 'subject_token')
  parameter(provider, request, 'subject_token_type')
  if (provider.settings.tokenExchange === 'IAM') checkAsIam(provider, client, request)
  const subject = await subjectOf(provider, subjectToken)
  const grant = newGrant(provider, client, request.fields, { subject })
  return tokenResponse(provider, grant, grant, { members: { issued_token_type: JWT_TYPE } })
}

/** wlcg.md §6, "Token exchange": a scope is required, an actor is not supported. */
function checkAsIam(provider: Provider, client: KnownClient, request: ReceivedRequest): void {
  const scope = words(parameter(provider, request, 'scope'))
  if (request.form['actor_token'] !== undefined) {
    refuse(provider, 'subjectTokenInvalid', 'actor_token is not supported')
  }
  const exchanged = provider.store.accessTokens.get(request.form['subject_token'] ?? '')
  if (exchanged?.grant.clientId === client.id && scope.includes('offline_access')) {
    refuse(provider, 'scopeNotForClient', 'offline_access', client.id)
  }
}

async function subjectOf(provider: Provider, token: string): Promise<string> {
  const known = provider.store.accessTokens.get(token)
  if (known !== undefined) return known.grant.subject
  const keys = createLocalJWKSet({ keys: [provider.platformKey.jwk] })
  try {
    const currentDate = new Date(secondsNow(provider) * 1000)
    const { payload } = await jwtVerify(token, keys, { currentDate })
    return payload.sub ?? refuse(provider, 'subjectTokenInvalid', 'no sub')
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    return refuse(provider, 'subjectTokenInvalid', error.message)
  }
}

/**
 * The first tokens of a grant that a person gave.
 * @throws OAuthError if the user is inactive or has a policy to sign.
 */
async function firstTokens(
  provider: Provider,
  client: KnownClient,
  grant: Grant,
): Promise<HttpResponse> {
  checkUser(provider, grant)
  const refreshToken = mayRefresh(provider, client, grant)
    ? await newRefreshToken(provider, grant)
    : undefined
  return tokenResponse(provider, grant, grant, { refreshToken, idToken: true })
}

function mayRefresh({ settings }: Provider, client: KnownClient, grant: Grant): boolean {
  if (!(client.grantTypes ?? settings.grantTypes).includes('refresh_token')) return false
  switch (settings.refreshTokenFor) {
    case 'everyone':
      return true
    case 'offline_access':
      return grant.scope.includes('offline_access')
    case 'access_type=offline':
      return grant.offline
  }
}

/**
 * Refuses tokens to users who may not have any at the moment. Neither error response means that the
 * client's refresh token is dead.
 * @throws OAuthError
 */
function checkUser(provider: Provider, { subject }: Grant): void {
  const { user } = provider.settings
  if (user === 'inactive') refuse(provider, 'userInactive', subject)
  if (user === 'has a policy to sign') refuse(provider, 'policyUnsigned', subject)
}

const handlers: Readonly<Record<string, GrantHandler>> = {
  authorization_code: authorizationCode,
  refresh_token: refresh,
  password,
  client_credentials: clientCredentials,
  [DEVICE_GRANT]: deviceCode,
  [EXCHANGE_GRANT]: tokenExchange,
}

/** The token endpoint (RFC 6749 §3.2). */
export const token: Endpoint = async (provider, request) => {
  const grantType = parameter(provider, request, 'grant_type')
  const client = await authenticate(provider, request)
  const isOffered = provider.settings.grantTypes.includes(grantType)
  const handler = isOffered ? handlers[grantType] : undefined
  if (handler === undefined) return refuse(provider, 'grantUnsupported', grantType)
  if (client.grantTypes?.includes(grantType) === false) {
    return refuse(provider, 'clientMayNot', grantType, client.id)
  }
  return handler(provider, client, request)
}
