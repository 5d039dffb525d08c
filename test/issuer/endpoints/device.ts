import { authenticate, checkNotSuspended, clientIdIn } from '../client-authentication.ts'
import { newGrant } from '../grant.ts'
import { type Endpoint, type Provider, refuse, secondsNow, urlOf } from '../provider.ts'
import type { ReceivedRequest } from '../requests.ts'
import { type Fields, html, json } from '../response.ts'
import { DEVICE_GRANT } from '../settings.ts'
import { type DeviceCode, type KnownClient, newUserCode, randomToken } from '../store.ts'

/** The device authorization endpoint (RFC 8628 §3.1). */
export const deviceAuthorization: Endpoint = async (provider, request) => {
  const { store, settings } = provider
  const client = await clientOf(provider, request)
  if (client.grantTypes?.includes(DEVICE_GRANT) === false) {
    refuse(provider, 'deviceGrantMissing', client.id, client.id)
  }
  const grant = newGrant(provider, client, request.fields, {
    subject: settings.subject,
    scopeError: 'deviceScope',
    offline: true,
  })
  const device: DeviceCode = {
    code: randomToken(),
    userCode: newUserCode(),
    grant,
    decision: 'none',
    polls: 0,
    expiresAt: secondsNow(provider) + settings.deviceCodeSeconds,
  }
  store.deviceCodes.set(device.code, device)
  return json(200, responseMembers(provider, device))
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

function responseMembers(provider: Provider, { code, userCode }: DeviceCode): Fields {
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

/** The page where a person enters a user code (RFC 8628 §3.3). */
export const verification: Endpoint = ({ store }, request) => {
  const userCode = request.form['user_code'] ?? request.query.get('user_code') ?? ''
  const decision = decisionIn(request)
  if (decision === undefined) return html(200, 'Enter code', decisionForm(request.path, userCode))
  const device = store.byUserCode(userCode)
  if (device === undefined) return html(404, 'Unknown code')
  device.decision = decision
  return html(200, decision === 'approved' ? 'Device approved' : 'Device refused')
}

/** The button that the person pressed on a page of the provider. */
export function decisionIn({ form }: ReceivedRequest): 'approved' | 'denied' | undefined {
  if (form['decision'] === 'approve') return 'approved'
  return form['decision'] === 'deny' ? 'denied' : undefined
}

/** A form with the buttons Allow and Cancel. */
export function decisionForm(action: string, userCode?: string): string {
  const code =
    userCode === undefined
      ? ''
      : `<input type="text" name="user_code" value="${attribute(userCode)}"/>`
  const buttons =
    '<button name="decision" value="approve">Allow</button><button name="decision" value="deny">Cancel</button>'
  return `<form method="post" action="${attribute(action)}">${code}${buttons}</form>`
}

function attribute(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
