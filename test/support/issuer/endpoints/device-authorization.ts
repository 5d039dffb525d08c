import { type Fields, json } from '../answer.ts'
import { type DeviceCode, type KnownClient, newUserCode, unguessable } from '../books.ts'
import { authenticate, checkNotSuspended, clientIdIn } from '../client-authentication.ts'
import { DEVICE_GRANT } from '../grant-types.ts'
import { newGrant } from '../new-grant.ts'
import { type Endpoint, type Provider, refuse, secondsNow, urlOf } from '../provider.ts'
import type { ReceivedRequest } from '../received-request.ts'

/** RFC 8628 §3.1. */
export const deviceAuthorization: Endpoint = async (provider, request) => {
  const { books, dials } = provider
  const client = await clientOf(provider, request)
  if (client.grantTypes?.includes(DEVICE_GRANT) === false) {
    refuse(provider, 'deviceGrantMissing', client.id, client.id)
  }
  const grant = newGrant(provider, client, request.fields, {
    subject: dials.subject,
    scopeRefusal: 'deviceScope',
    offline: true,
  })
  const device: DeviceCode = {
    code: unguessable(),
    userCode: newUserCode(),
    grant,
    decision: 'none',
    polls: 0,
    expiresAt: secondsNow(provider) + dials.deviceCodeSeconds,
  }
  books.deviceCodes.set(device.code, device)
  return json(200, answerMembers(provider, device))
}

async function clientOf(provider: Provider, request: ReceivedRequest): Promise<KnownClient> {
  const { books, dials } = provider
  const named = dials.deviceClientIdInForm ? request.form['client_id'] : clientIdIn(request)
  const id = named ?? ''
  if (id === '') refuse(provider, 'deviceClientMissing')
  const client = books.clients.get(id)
  if (client === undefined) return refuse(provider, 'deviceClientUnknown', id)
  if (dials.deviceStartAuthenticates) return authenticate(provider, request)
  checkNotSuspended(provider, client)
  return client
}

function answerMembers(provider: Provider, { code, userCode }: DeviceCode): Fields {
  const { dials } = provider
  const uri = urlOf(provider, 'verification')
  return {
    device_code: code,
    user_code: userCode,
    [dials.deviceUriMember]: uri,
    ...(dials.deviceUriComplete
      ? { [`${dials.deviceUriMember}_complete`]: `${uri}?user_code=${userCode}` }
      : {}),
    ...(dials.deviceExpiresInShown ? { expires_in: dials.deviceCodeSeconds } : {}),
    ...(dials.deviceInterval === undefined ? {} : { interval: dials.deviceInterval }),
    ...(dials.deviceMessage ? { message: `To sign in, open ${uri} and enter ${userCode}.` } : {}),
  }
}
