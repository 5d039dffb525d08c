import { authenticate } from '../client-authentication.ts'
import { DEVICE_GRANT, EXCHANGE_GRANT } from '../grant-types.ts'
import { authorizationCode } from '../grants/authorization-code.ts'
import { clientCredentials } from '../grants/client-credentials.ts'
import { deviceCode } from '../grants/device-code.ts'
import { field, type GrantHandler } from '../grants/grant-handler.ts'
import { password } from '../grants/password.ts'
import { refresh } from '../grants/refresh.ts'
import { tokenExchange } from '../grants/token-exchange.ts'
import { type Endpoint, refuse } from '../provider.ts'

const grants: Readonly<Record<string, GrantHandler>> = {
  authorization_code: authorizationCode,
  refresh_token: refresh,
  password,
  client_credentials: clientCredentials,
  [DEVICE_GRANT]: deviceCode,
  [EXCHANGE_GRANT]: tokenExchange,
}

/** RFC 6749 §3.2. */
export const token: Endpoint = async (provider, request) => {
  const grantType = field(provider, request, 'grant_type')
  const client = await authenticate(provider, request)
  const handler = provider.settings.grantTypes.includes(grantType) ? grants[grantType] : undefined
  if (handler === undefined) return refuse(provider, 'grantUnsupported', grantType)
  if (client.grantTypes?.includes(grantType) === false) {
    return refuse(provider, 'clientMayNot', grantType, client.id)
  }
  return handler(provider, client, request)
}
