import { AgentError } from '../../protocol/wire/errors.ts'
import type { DeviceAuthorization, JsonObject, JsonValue } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import type { Client, TokenParameters, TokenResponse } from './provider.ts'
import { callAs, requestToken, secretsOf, type Upstream } from './token-endpoint.ts'
import { authorizationRequestParameters } from './token-parameters.ts'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
/** RFC 8628 §3.2: the interval where none is given, in seconds. */
const DEFAULT_INTERVAL = 5
/** IAM leaves the lifetime of a device code out where the client has none set; this is its default. */
const DEFAULT_EXPIRES_IN = 600

/** Starts a device authorization (RFC 8628 §3.1). */
export async function deviceAuthorization(
  client: Client,
  parameters: TokenParameters,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<DeviceAuthorization> {
  await checkDeviceFlow(client, upstream, signal)
  const { result } = await callAs(
    client,
    upstream,
    {
      exchange: { purpose: 'device authorization', secrets: secretsOf(client) },
      read: readAuthorization,
      use: ({ library, configuration, profile }) =>
        library.initiateDeviceAuthorization(
          configuration,
          authorizationRequestParameters(parameters, client, profile),
        ),
    },
    signal,
  )
  const { device_code, user_code, verification_uri, verification_uri_complete, expires_in } = result
  return {
    device_code,
    user_code,
    verification_uri,
    ...(verification_uri_complete === undefined ? {} : { verification_uri_complete }),
    expires_in,
    interval: result.interval ?? DEFAULT_INTERVAL,
  }
}

/** Polls once (RFC 8628 §3.4). */
export function deviceAccessToken(
  client: Client,
  deviceCode: string,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<TokenResponse> {
  return requestToken(
    client,
    upstream,
    {
      purpose: 'device poll',
      secrets: [new Secret(deviceCode)],
      use: ({ library, configuration }) =>
        library.genericGrantRequest(configuration, DEVICE_GRANT, { device_code: deviceCode }),
    },
    signal,
  )
}

async function checkDeviceFlow(
  client: Client,
  { discovery }: Upstream,
  signal: AbortSignal,
): Promise<void> {
  if (client.deviceAuthorizationEndpoint !== undefined) return
  const document = await discovery.find(client.provider, signal)
  if (document.device_authorization_endpoint !== undefined) return
  throw new AgentError('unsupported-by-provider', 'Device Flow not Supported by OpenID Provider', {
    hint: 'Where the provider has it but does not publish it, name its address:\n\t$ oidc-gen <name> --dae=<url>\n',
  })
}

/** What providers leave out or spell in their own way (Google: `verification_url`). */
function readAuthorization(content: JsonObject): JsonObject {
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
