import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type Trust, trustFor } from '../http/http-client.ts'
import { checkStatus, successBody } from '../providers/error-response.ts'
import { refusedGrantType } from '../providers/products.ts'
import type { ProviderProfile } from '../providers/profiles.ts'
import { confidentialMethod, type ProviderContext } from './client-authentication.ts'
import type { ClientRegistration, RegisteredClient } from './provider.ts'

/** The grant types that flows need, by flow name (protocol.md §2.5, and the agent's own). */
const grantTypes: Readonly<Record<string, string>> = {
  code: 'authorization_code',
  device: 'urn:ietf:params:oauth:grant-type:device_code',
  password: 'password',
  client_credentials: 'client_credentials',
  'token-exchange': 'urn:ietf:params:oauth:grant-type:token-exchange',
}

/** Flows that give no refresh token. */
const unattendedGrants: readonly string[] = ['client_credentials', 'token-exchange']

/**
 * Registers a client (RFC 7591 §3) without openid-client, which refuses a response that has a
 * client_secret but no client_secret_expires_at (wlcg.md §6, "Quirks"). If the provider refuses a grant
 * type or a redirect URI, the registration is repeated without it.
 */
export async function register(
  provider: ProviderConfig,
  registration: ClientRegistration,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { document, profile } = await context.discovery.find(provider, signal)
  if (document.registration_endpoint === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Dynamic client registration is not supported by this issuer. Please register a client manually and then run oidc-gen with the -m flag.',
      { hint: clientsPageHint(profile) },
    )
  }
  const send = senderTo(document.registration_endpoint, provider, registration, context)
  let metadata: JsonObject = {
    ...clientMetadata(registration),
    token_endpoint_auth_method: confidentialMethod(document),
  }
  for (;;) {
    try {
      return await send(metadata, signal)
    } catch (error) {
      const reduced = withoutRefused(metadata, error)
      if (reduced === undefined) throw error
      metadata = reduced
    }
  }
}

/** A function that sends client metadata to the registration endpoint and returns the registered client. */
function senderTo(
  url: string,
  provider: ProviderConfig,
  { initialAccessToken: token }: ClientRegistration,
  { http }: ProviderContext,
): (metadata: JsonObject, signal: AbortSignal) => Promise<JsonObject> {
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }),
  }
  return async (metadata, signal) => {
    const body = JSON.stringify(metadata)
    const response = await http.send(
      { url, method: 'POST', headers, body },
      trustFor(provider),
      signal,
    )
    const client = successBody(response, {
      purpose: 'registration',
      secrets: token === undefined ? [] : [token],
    })
    if (typeof client['client_id'] === 'string' && client['client_id'] !== '') return client
    throw new AgentError(
      'provider-answer',
      `${response.url.host} registered a client without a client_id`,
    )
  }
}

/**
 * The metadata without what the provider refused: a grant type that it does not allow to an anonymous
 * registration, or redirect URIs with a custom scheme. Undefined if nothing usable would be left.
 */
function withoutRefused(metadata: JsonObject, error: unknown): JsonObject | undefined {
  if (!(error instanceof AgentError)) return undefined
  const refused = refusedGrantType(error.message)
  if (refused !== undefined) return without(metadata, 'grant_types', (one) => one !== refused)
  if (!/redirect/i.test(error.message)) return undefined
  return without(metadata, 'redirect_uris', (uri) => uri.startsWith('http'))
}

/** The metadata with fewer values in a list; undefined if nothing changes or nothing usable is left. */
function without(
  metadata: JsonObject,
  name: string,
  keeps: (value: string) => boolean,
): JsonObject | undefined {
  const values = metadata[name]
  if (!Array.isArray(values)) return undefined
  const kept = values.filter((value) => typeof value === 'string' && keeps(value))
  const isUsable = kept.some((value) => value !== 'refresh_token')
  return isUsable && kept.length < values.length ? { ...metadata, [name]: kept } : undefined
}

function clientsPageHint({ title, clientsPage }: ProviderProfile): string | undefined {
  return clientsPage === undefined ? undefined : `Register a client of ${title} at ${clientsPage}`
}

/** Deletes a registered client (RFC 7592 §2.3). */
export async function deleteClient(
  registered: RegisteredClient,
  { http }: ProviderContext,
  signal: AbortSignal,
): Promise<void> {
  const { registrationClientUri: url, registrationAccessToken: token, certPath } = registered
  const trust: Trust = { certPath, plainHttp: url.startsWith('http://') }
  const response = await http.send(
    { url, method: 'DELETE', headers: { authorization: `Bearer ${token.reveal()}` } },
    trust,
    signal,
  )
  checkStatus(response, { purpose: 'client deletion', secrets: [token] })
}

/** Only what the flows need: a device-only client has no redirect URI that could be abused. */
function clientMetadata(registration: ClientRegistration): JsonObject {
  const { clientName, scope, flows, redirectUris } = registration
  const grants = flows.flatMap((flow) => grantTypes[flow] ?? [])
  const isUnattended = flows.length > 0 && flows.every((flow) => unattendedGrants.includes(flow))
  const common = {
    client_name: clientName,
    scope,
    grant_types: [...new Set([...grants, ...(isUnattended ? [] : ['refresh_token'])])],
  }
  // RFC 7591 §2: without response_types, the code flow is assumed and redirect URIs are required.
  if (!flows.includes('code')) return { ...common, response_types: [] }
  return {
    ...common,
    response_types: ['code'],
    redirect_uris: redirectUris,
    // OpenID Connect Registration §2: a client with loopback redirect URIs is native.
    application_type: 'native',
  }
}
