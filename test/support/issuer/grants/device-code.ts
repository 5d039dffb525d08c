import type { DeviceCode } from '../books.ts'
import { isOver, type Provider, refuse } from '../provider.ts'
import { firstTokens } from './first-tokens.ts'
import { field, type GrantHandler } from './grant-handler.ts'

/** A poll (RFC 8628 §3.4). */
export const deviceCode: GrantHandler = async (provider, client, request) => {
  const { books, dials } = provider
  const device = books.deviceCodes.get(field(provider, request, 'device_code'))
  if (device?.grant.clientId !== client.id) {
    return refuse(provider, 'deviceUnknown')
  }
  device.polls += 1
  if (device.polls <= dials.slowDowns) refuse(provider, 'deviceSlowDown')
  if (isOver(provider, device)) {
    books.deviceCodes.delete(device.code)
    refuse(provider, 'deviceExpired')
  }
  switch (decisionOn(provider, device)) {
    case 'none':
      return refuse(provider, 'devicePending')
    case 'denied':
      return refuse(provider, dials.denialReported ? 'deviceDenied' : 'devicePending')
    case 'approved':
      books.deviceCodes.delete(device.code)
      return firstTokens(provider, client, device.grant)
  }
}

function decisionOn({ dials }: Provider, { decision }: DeviceCode): DeviceCode['decision'] {
  if (decision !== 'none' || dials.person === 'absent') return decision
  return dials.person === 'approves' ? 'approved' : 'denied'
}
