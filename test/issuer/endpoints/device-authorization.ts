import { authenticate, checkNotSuspended, clientIdIn } from '../client-authentication.ts'
import { DEVICE_GRANT } from '../grant-types.ts'
import { newGrant } from '../new-grant.ts'
import { type Endpoint, type Provider, refuse, secondsNow, urlOf } from '../provider.ts'
import type { ReceivedRequest } from '../received-request.ts'
import { type Fields, json } from '../response.ts'
import { type DeviceCode, type KnownClient, newUserCode, unguessable } from '../store.ts'

/** RFC 8628 §3.1. */
export const deviceAuthorization: Endpoint = async (provider, request) => {
  const { store, settings } = provider
  const client = await clientOf(provider, request)
  if (client.grantTypes?.includes(DEVICE_GRANT) === false) {
    refuse(provider, 'deviceGrantMissing', client.id, client.id)
  }
  const grant = newGrant(provider, client, request.fields, {
    subject: settings.subject,
    scopeRefusal: 'deviceScope',
    offline: true,
  })
  const device: DeviceCode = {
    code: unguessable(),
    userCode: newUserCode(),
    grant,
    decision: 'none',
    polls: 0,
    expiresAt: secondsNow(provider) + settings.deviceCodeSeconds,
  }
  store.deviceCodes.set(device.code, device)
  return json(200, answerMembers(provider, device))
}

async function clientOf(provider: Provider, request: ReceivedRequest): Promise<KnownClient> {
  const { store, settings } = provider
  const named = settings.deviceClientIdInForm ? request.form['client_id'] : clientIdIn(request)
  const id = named ?? ''
  if (id === '') refuse(provider, 'deviceClientMissing')
  const client = store.clients.get(id)
  if (client === undefined) return refuse(provider, 'deviceClientUnknown', id)
  if (settings.deviceStartAuthenticates) return authenticate(provider, request)
  checkNotSuspended(provider, client)
  return client
}

function answerMembers(provider: Provider, { code, userCode }: DeviceCode): Fields {
  const { settings } = provider
  const uri = urlOf(provider, 'verification')
  return {
    device_code: code,
    user_code: userCode,
    [settings.deviceUriMember]: uri,
    ...(settings.deviceUriComplete
      ? { [`${settings.deviceUriMember}_complete`]: `${uri}?user_code=${userCode}` }
      : {}),
    ...(settings.deviceExpiresInShown ? { expires_in: settings.deviceCodeSeconds } : {}),
    ...(settings.deviceInterval === undefined ? {} : { interval: settings.deviceInterval }),
    ...(settings.deviceMessage
      ? { message: `To sign in, open ${uri} and enter ${userCode}.` }
      : {}),
  }
}
