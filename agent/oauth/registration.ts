import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type Trust, trustFor } from '../http/url-policy.ts'
import { checkStatus, successOf } from '../providers/error-response.ts'
import { detectProfile, type ProviderProfile } from '../providers/profiles.ts'
import { confidentialMethod } from './client-authentication.ts'
import type { ClientRegistration, RegisteredClient } from './provider.ts'
import type { Upstream } from './token-endpoint.ts'

/** Flow names of protocol.md §2.5, and ours, and the grants they need. */
const grantTypes: Readonly<Record<string, string>> = {
  code: 'authorization_code',
  device: 'urn:ietf:params:oauth:grant-type:device_code',
  password: 'password',
  client_credentials: 'client_credentials',
  'token-exchange': 'urn:ietf:params:oauth:grant-type:token-exchange',
}

/** Flows after which there is no refresh token. */
const unattendedGrants: readonly string[] = ['client_credentials', 'token-exchange']

/**
 * Registers a client (RFC 7591 §3) by hand: openid-client refuses IAM's answer, which has a
 * client_secret but no client_secret_expires_at (wlcg.md §6, "Quirks").
 */
export async function register(
  address: ProviderConfig,
  registration: ClientRegistration,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<JsonObject> {
  const document = await upstream.discovery.find(address, signal)
  if (document.registration_endpoint === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Dynamic client registration is not supported by this issuer. Please register a client manually and then run oidc-gen with the -m flag.',
      { hint: clientsPageHint(detectProfile(address, document)) },
    )
  }
  const send = senderTo(document.registration_endpoint, address, registration, upstream)
  let metadata: JsonObject = {
    ...clientMetadata(registration),
    token_endpoint_auth_method: confidentialMethod(document),
  }
  for (;;) {
    try {
      return await send(metadata, signal)
    } catch (error) {
      const less = withoutRefused(metadata, error)
      if (less === undefined) throw error
      metadata = less
    }
  }
}

/** Sends the metadata of a client, and gives what the provider made of it. */
function senderTo(
  url: string,
  address: ProviderConfig,
  { initialAccessToken: token }: ClientRegistration,
  { http }: Upstream,
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
      trustFor(address),
      signal,
    )
    const client = successOf(response, {
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
 * The same client without what the provider refused it for, where it is of use all the same: IAM
 * withholds some grants from whoever is not logged in, others take no custom scheme in a redirect URI.
 */
function withoutRefused(metadata: JsonObject, error: unknown): JsonObject | undefined {
  if (!(error instanceof AgentError)) return undefined
  const withheld = /grant type not allowed: (\S+)/i.exec(error.message)?.[1]
  if (withheld !== undefined) return without(metadata, 'grant_types', (one) => one !== withheld)
  if (!/redirect/i.test(error.message)) return undefined
  return without(metadata, 'redirect_uris', (uri) => uri.startsWith('http'))
}

/** With fewer values of a list; undefined where nothing would change, or nothing of use be left. */
function without(
  metadata: JsonObject,
  name: string,
  keeps: (value: string) => boolean,
): JsonObject | undefined {
  const values = metadata[name]
  if (!Array.isArray(values)) return undefined
  const kept = values.filter((value) => typeof value === 'string' && keeps(value))
  const isOfUse = kept.some((value) => value !== 'refresh_token')
  return isOfUse && kept.length < values.length ? { ...metadata, [name]: kept } : undefined
}

function clientsPageHint({ title, clientsPage }: ProviderProfile): string | undefined {
  return clientsPage === undefined ? undefined : `Clients of ${title} are made at ${clientsPage}`
}

/** Deletes a registered client (RFC 7592 §2.3). */
export async function deleteClient(
  registered: RegisteredClient,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<void> {
  const { registrationClientUri: url, registrationAccessToken: token, certPath } = registered
  const trust: Trust = { certPath, plainHttp: url.startsWith('http://') }
  const response = await upstream.http.send(
    { url, method: 'DELETE', headers: { authorization: `Bearer ${token.reveal()}` } },
    trust,
    signal,
  )
  checkStatus(response, { purpose: 'client deletion', secrets: [token] })
}

/** What the flows need and nothing else: a device-only client has no redirect URI to be abused. */
function clientMetadata(registration: ClientRegistration): JsonObject {
  const { clientName, scope, flows, redirectUris } = registration
  const grants = flows.flatMap((flow) => grantTypes[flow] ?? [])
  const isUnattended = flows.length > 0 && flows.every((flow) => unattendedGrants.includes(flow))
  const common = {
    client_name: clientName,
    scope,
    grant_types: [...new Set([...grants, ...(isUnattended ? [] : ['refresh_token'])])],
  }
  // RFC 7591 §2: without response_types the code flow is assumed, and redirect URIs demanded.
  if (!flows.includes('code')) return { ...common, response_types: [] }
  return {
    ...common,
    response_types: ['code'],
    redirect_uris: redirectUris,
    // OpenID Connect Registration §2: what comes back to a loopback address is a native client.
    application_type: 'native',
  }
}
