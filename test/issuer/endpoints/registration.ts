import { randomUUID } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'
import { bearerToken } from '../client-authentication.ts'
import { type Endpoint, type Provider, refuse, secondsNow } from '../provider.ts'
import type { ReceivedRequest } from '../requests.ts'
import { empty, type Fields, json } from '../response.ts'
import { registrableScopes, scopeOf, words } from '../scopes.ts'
import type { ClientAuthMethod } from '../settings.ts'
import { type KnownClient, randomToken } from '../store.ts'

/** The scopes of a client that names none. */
const DEFAULT_SCOPES = ['openid', 'profile', 'email', 'offline_access']

/** RFC 7591 §3.1. */
export const registration: Endpoint = (provider, request) => {
  const metadata =
    request.json ?? refuse(provider, 'registrationInvalid', 'the body is no JSON object')
  const token = bearerToken(request)
  const isInitial = token !== undefined && provider.store.initialAccessTokens.has(token)
  if (provider.settings.registrationFor === 'initial access token' && !isInitial) {
    refuse(provider, 'registrationDenied', 'an initial access token is required')
  }
  checkMetadata(provider, metadata)
  const client = newClient(provider, metadata)
  provider.store.clients.set(client.id, client)
  return json(201, registrationResponse(provider, client, { withToken: true }))
}

/** wlcg.md §6, "Dynamic registration"; the rules are those of RFC 7591 §2, the texts the product's. */
function checkMetadata(provider: Provider, metadata: Fields): void {
  const name = textIn(metadata, 'client_name') ?? ''
  if (name.length < 4 || name.length > 256) {
    refuse(
      provider,
      'registrationInvalid',
      'Invalid length: client_name must have 4 to 256 characters',
    )
  }
  const grantTypes = grantTypesIn(metadata)
  const withheld = grantTypes.find((grant) => provider.settings.grantTypesWithheld.includes(grant))
  if (withheld !== undefined) refuse(provider, 'registrationGrant', withheld)
  if (
    grantTypes.includes('authorization_code') &&
    textsIn(metadata, 'redirect_uris').length === 0
  ) {
    refuse(provider, 'registrationInvalid', 'Authorization code requires a valid redirect uri')
  }
}

/** The client for this metadata: a new one, or a changed existing one. */
function newClient(provider: Provider, metadata: Fields, existing?: KnownClient): KnownClient {
  if (existing === undefined && metadata['client_id'] !== undefined) {
    refuse(provider, 'registrationInvalid', 'Invalid client_id: it must not be given')
  }
  const authMethod = authMethodIn(provider, metadata)
  const scope = scopeIn(provider, metadata)
  return {
    id: existing?.id ?? randomUUID(),
    secret: authMethod.startsWith('client_secret')
      ? (existing?.secret ?? randomToken(48))
      : undefined,
    authMethod,
    scope,
    grantTypes: grantTypesFor(metadata, scope),
    redirectUris: textsIn(metadata, 'redirect_uris'),
    jwks: keysIn(metadata),
    registration: { token: registrationToken(provider, existing), metadata },
  }
}

function registrationToken({ settings }: Provider, existing: KnownClient | undefined): string {
  const token = settings.registrationTokenRotates ? undefined : existing?.registration?.token
  return token ?? randomToken()
}

function scopeIn(provider: Provider, metadata: Fields): readonly string[] {
  const requested = words(textIn(metadata, 'scope'))
  return registrableScopes(provider, requested.length > 0 ? requested : DEFAULT_SCOPES)
}

/** wlcg.md §6: the scope `offline_access` implies the grant. */
function grantTypesFor(metadata: Fields, scope: readonly string[]): readonly string[] {
  const named = grantTypesIn(metadata)
  const isImplied = scope.includes('offline_access') && !named.includes('refresh_token')
  return isImplied ? [...named, 'refresh_token'] : named
}

function authMethodIn(provider: Provider, metadata: Fields): ClientAuthMethod {
  const named = textIn(metadata, 'token_endpoint_auth_method') ?? 'client_secret_basic'
  const known = provider.settings.clientAuthMethods.find((method) => method === named)
  return known ?? refuse(provider, 'registrationInvalid', `no such method: ${named}`)
}

/** RFC 7591 §2: the default is `authorization_code`. */
function grantTypesIn(metadata: Fields): readonly string[] {
  const named = textsIn(metadata, 'grant_types')
  return named.length > 0 ? named : ['authorization_code']
}

function keysIn(metadata: Fields): JSONWebKeySet | undefined {
  const value = metadata['jwks']
  const isSet = typeof value === 'object' && value !== null && 'keys' in value
  return isSet && Array.isArray(value.keys) ? (value as JSONWebKeySet) : undefined
}

function textIn(metadata: Fields, name: string): string | undefined {
  const value = metadata[name]
  return typeof value === 'string' ? value : undefined
}

function textsIn(metadata: Fields, name: string): readonly string[] {
  const value: unknown = metadata[name]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** RFC 7592 §2: reads, changes or deletes what was registered. */
export const registeredClient: Endpoint = (provider, request) => {
  const client = clientOf(provider, request)
  switch (request.method) {
    case 'GET':
      return json(
        200,
        registrationResponse(provider, renewed(provider, client), tokenShown(provider)),
      )
    case 'PUT': {
      const metadata =
        request.json ?? refuse(provider, 'registrationInvalid', 'the body is no JSON object')
      checkMetadata(provider, metadata)
      const changed = newClient(provider, metadata, client)
      provider.store.clients.set(client.id, changed)
      return json(200, registrationResponse(provider, changed, { withToken: true }))
    }
    case 'DELETE':
      provider.store.clients.delete(client.id)
      return empty(204)
    default:
      return empty(405)
  }
}

/** The client with its next token, if each use ends the last one. */
function renewed({ store, settings }: Provider, client: KnownClient): KnownClient {
  if (!settings.registrationTokenRotates || client.registration === undefined) return client
  const next = { ...client, registration: { ...client.registration, token: randomToken() } }
  store.clients.set(client.id, next)
  return next
}

/** wlcg.md §6: IAM omits the token in the response to a GET. */
function tokenShown({ settings }: Provider): { withToken: boolean } {
  return { withToken: settings.registrationResponse === 'RFC 7591' }
}

function clientOf(provider: Provider, request: ReceivedRequest): KnownClient {
  const id = request.path.slice(request.path.lastIndexOf('/') + 1)
  const client = provider.store.clients.get(id)
  if (client?.registration === undefined) return refuse(provider, 'registrationUnknown', id)
  if (client.registration.token !== bearerToken(request)) {
    return refuse(provider, 'registrationDenied', 'wrong registration access token')
  }
  return client
}

/** The client information response (RFC 7591 §3.2.1). */
function registrationResponse(
  provider: Provider,
  client: KnownClient,
  { withToken }: { withToken: boolean },
): Fields {
  const { registration } = client
  const path = provider.settings.paths.registration ?? ''
  return {
    ...registration?.metadata,
    client_id: client.id,
    ...(client.secret === undefined ? {} : { client_secret: client.secret }),
    token_endpoint_auth_method: client.authMethod,
    grant_types: client.grantTypes,
    scope: scopeOf(provider, client).join(' '),
    ...(withToken ? { registration_access_token: registration?.token } : {}),
    registration_client_uri: `${provider.origin}${path}/${client.id}`,
    ...productMembers(provider, client),
  }
}

function productMembers(provider: Provider, client: KnownClient): Fields {
  const now = secondsNow(provider)
  if (provider.settings.registrationResponse === 'RFC 7591') {
    const secretMember = client.secret === undefined ? {} : { client_secret_expires_at: 0 }
    return { client_id_issued_at: now, ...secretMember }
  }
  // wlcg.md §6: no client_secret_expires_at, which RFC 7591 requires, and milliseconds.
  return { reuse_refresh_token: true, clear_access_tokens_on_refresh: true, created_at: now * 1000 }
}
