import { randomUUID } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'
import { bearerToken } from '../bearer-token.ts'
import type { ClientAuthMethod } from '../behaviour.ts'
import { type Endpoint, type Provider, refuse } from '../provider.ts'
import { registrationAnswer } from '../registration-response.ts'
import { type Fields, json } from '../response.ts'
import { registrableScopes, words } from '../scopes.ts'
import { type KnownClient, unguessable } from '../store.ts'

/** What a client gets that names none. */
const DEFAULT_SCOPES = ['openid', 'profile', 'email', 'offline_access']

/** RFC 7591 §3.1. */
export const registration: Endpoint = (provider, request) => {
  const wish = request.json ?? refuse(provider, 'registrationInvalid', 'the body is no JSON object')
  const token = bearerToken(request)
  const isInitial = token !== undefined && provider.store.initialAccessTokens.has(token)
  if (provider.settings.registrationFor === 'initial access token' && !isInitial) {
    refuse(provider, 'registrationDenied', 'an initial access token is wanted')
  }
  checkMetadata(provider, wish)
  const client = newClient(provider, wish)
  provider.store.clients.set(client.id, client)
  return json(201, registrationAnswer(provider, client, { withToken: true }))
}

/** wlcg.md §6, "Dynamic registration"; the rules are those of RFC 7591 §2, the texts the product's. */
export function checkMetadata(provider: Provider, wish: Fields): void {
  const name = textIn(wish, 'client_name') ?? ''
  if (name.length < 4 || name.length > 256) {
    refuse(
      provider,
      'registrationInvalid',
      'Invalid length: client_name must have 4 to 256 characters',
    )
  }
  const grantTypes = grantTypesIn(wish)
  const withheld = grantTypes.find((grant) => provider.settings.grantTypesWithheld.includes(grant))
  if (withheld !== undefined) refuse(provider, 'registrationGrant', withheld)
  if (grantTypes.includes('authorization_code') && textsIn(wish, 'redirect_uris').length === 0) {
    refuse(provider, 'registrationInvalid', 'Authorization code requires a valid redirect uri')
  }
}

/** What is registered for a wish, as this or as an existing client. */
export function newClient(provider: Provider, wish: Fields, before?: KnownClient): KnownClient {
  if (before === undefined && wish['client_id'] !== undefined) {
    refuse(provider, 'registrationInvalid', 'Invalid client_id: it must not be given')
  }
  const authMethod = authMethodIn(provider, wish)
  const scope = scopeIn(provider, wish)
  return {
    id: before?.id ?? randomUUID(),
    secret: authMethod.startsWith('client_secret')
      ? (before?.secret ?? unguessable(48))
      : undefined,
    authMethod,
    scope,
    grantTypes: grantTypesFor(wish, scope),
    redirectUris: textsIn(wish, 'redirect_uris'),
    jwks: keysIn(wish),
    registration: { token: registrationToken(provider, before), metadata: wish },
  }
}

function registrationToken({ settings }: Provider, before: KnownClient | undefined): string {
  const token = settings.registrationTokenRotates ? undefined : before?.registration?.token
  return token ?? unguessable()
}

function scopeIn(provider: Provider, wish: Fields): readonly string[] {
  const asked = words(textIn(wish, 'scope'))
  return registrableScopes(provider, asked.length > 0 ? asked : DEFAULT_SCOPES)
}

/** wlcg.md §6: asking for `offline_access` is asking for the grant. */
function grantTypesFor(wish: Fields, scope: readonly string[]): readonly string[] {
  const named = grantTypesIn(wish)
  const isImplied = scope.includes('offline_access') && !named.includes('refresh_token')
  return isImplied ? [...named, 'refresh_token'] : named
}

function authMethodIn(provider: Provider, wish: Fields): ClientAuthMethod {
  const named = textIn(wish, 'token_endpoint_auth_method') ?? 'client_secret_basic'
  const known = provider.settings.clientAuthMethods.find((method) => method === named)
  return known ?? refuse(provider, 'registrationInvalid', `no such method: ${named}`)
}

/** RFC 7591 §2: the default is the code. */
function grantTypesIn(wish: Fields): readonly string[] {
  const named = textsIn(wish, 'grant_types')
  return named.length > 0 ? named : ['authorization_code']
}

function keysIn(wish: Fields): JSONWebKeySet | undefined {
  const value = wish['jwks']
  const isSet = typeof value === 'object' && value !== null && 'keys' in value
  return isSet && Array.isArray(value.keys) ? (value as JSONWebKeySet) : undefined
}

function textIn(wish: Fields, name: string): string | undefined {
  const value = wish[name]
  return typeof value === 'string' ? value : undefined
}

function textsIn(wish: Fields, name: string): readonly string[] {
  const value: unknown = wish[name]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
