import { isOver, type Provider, refuse } from '../provider.ts'
import type { DeviceCode } from '../store.ts'
import { firstTokens } from './first-tokens.ts'
import { field, type GrantHandler } from './grant-handler.ts'

/** A poll (RFC 8628 §3.4). */
export const deviceCode: GrantHandler = async (provider, client, request) => {
  const { store, settings } = provider
  const device = store.deviceCodes.get(field(provider, request, 'device_code'))
  if (device?.grant.clientId !== client.id) {
    return refuse(provider, 'deviceUnknown')
  }
  device.polls += 1
  if (device.polls <= settings.slowDowns) refuse(provider, 'deviceSlowDown')
  if (isOver(provider, device)) {
    store.deviceCodes.delete(device.code)
    refuse(provider, 'deviceExpired')
  }
  switch (decisionOn(provider, device)) {
    case 'none':
      return refuse(provider, 'devicePending')
    case 'denied':
      return refuse(provider, settings.denialReported ? 'deviceDenied' : 'devicePending')
    case 'approved':
      store.deviceCodes.delete(device.code)
      return firstTokens(provider, client, device.grant)
  }
}

function decisionOn({ settings }: Provider, { decision }: DeviceCode): DeviceCode['decision'] {
  if (decision !== 'none' || settings.person === 'absent') return decision
  return settings.person === 'approves' ? 'approved' : 'denied'
}
