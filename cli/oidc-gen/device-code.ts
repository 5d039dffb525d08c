import type { DeviceAuthorization } from '../../protocol/messages.ts'
import { hasColour, type Io } from '../run.ts'

/** Tells the person, on stderr, where to enter which code; as a QR code too, if that can be seen. */
export async function showDeviceCode(device: DeviceAuthorization, io: Io): Promise<void> {
  const { stderr } = io
  const uri = plain(device.verification_uri)
  stderr.write(`\nUsing a browser on any device, visit:\n${uri}\n\n`)
  stderr.write(`And enter the code: ${plain(device.user_code)}\n`)
  if (stderr.isTTY !== true) return
  const { qrText } = await import('../qr.ts')
  stderr.write('Alternatively you can use the following QR code to visit the above listed URL.\n\n')
  stderr.write(`${qrText(plain(device.verification_uri_complete ?? uri), hasColour(io))}\n`)
}

/** The provider's text without what could move the cursor or hide something. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
}
