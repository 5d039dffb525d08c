import { AgentError } from '../../protocol/wire/errors.ts'
import type { DeviceAuthorization, JsonObject, JsonValue } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { type ProviderContext, postAsClient } from './client-authentication.ts'
import type { Client, TokenParameters, TokenResponse } from './provider.ts'
import { authorizationRequestParameters, checkResponse, requestToken } from './token-endpoint.ts'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
/** Seconds between two polls if the response has no `interval` (RFC 8628 §3.2). */
const DEFAULT_INTERVAL = 5
/** Seconds that a device code lives if the response has no `expires_in`, which RFC 8628 §3.2 requires. */
const DEFAULT_EXPIRES_IN = 600

/** Starts a device authorization (RFC 8628 §3.1). */
export async function deviceAuthorization(
  client: Client,
  parameters: TokenParameters,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<DeviceAuthorization> {
  const { document, profile } = await context.discovery.find(client.provider, signal)
  const url = client.deviceAuthorizationEndpoint ?? document.device_authorization_endpoint
  if (url === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Device Flow not Supported by OpenID Provider',
      {
        hint: 'If the provider supports it without publishing the endpoint, name the endpoint:\n\t$ oidc-gen <name> --dae=<url>\n',
      },
    )
  }
  const form = authorizationRequestParameters(parameters, client, profile)
  // RFC 8628 §3.1: also if the client authenticates in another way.
  form.set('client_id', client.id)
  const { content } = await postAsClient(
    client,
    { purpose: 'device authorization', secrets: [], document, url, form, expects: 'JSON' },
    context,
    signal,
  )
  const checked = await checkResponse(client, document, withDefaults(content), (library, at) =>
    library.initiateDeviceAuthorization(at, {}),
  )
  const { device_code, user_code, verification_uri, verification_uri_complete } = checked
  return {
    device_code,
    user_code,
    verification_uri,
    ...(verification_uri_complete === undefined ? {} : { verification_uri_complete }),
    expires_in: checked.expires_in,
    interval: checked.interval ?? DEFAULT_INTERVAL,
  }
}

/** Members that providers leave out, or call `verification_url` as a draft of RFC 8628 did. */
function withDefaults(content: JsonObject): JsonObject {
  return {
    ...content,
    verification_uri: content['verification_uri'] ?? content['verification_url'] ?? '',
    expires_in: positive(content['expires_in']) ?? DEFAULT_EXPIRES_IN,
    interval: positive(content['interval']) ?? DEFAULT_INTERVAL,
  }
}

function positive(value: JsonValue | undefined): number | undefined {
  const number = typeof value === 'string' ? Number(value) : value
  return typeof number === 'number' && number > 0 && Number.isFinite(number) ? number : undefined
}

/** Polls once (RFC 8628 §3.4). */
export function deviceAccessToken(
  client: Client,
  deviceCode: string,
  context: ProviderContext,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    {
      purpose: 'device poll',
      grantType: DEVICE_GRANT,
      secrets: [new Secret(deviceCode)],
      parameters: () => new URLSearchParams({ device_code: deviceCode }),
    },
    context,
    signal,
  )
}
