import { callAgent } from '../../protocol/client/call.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import type { DeviceAuthorization, Replies } from '../../protocol/wire/messages.ts'
import { sanitize } from '../../protocol/wire/text.ts'
import { hasColour, type Io } from '../run.ts'
import type { GenContext } from './context.ts'

/** RFC 8628 §3.5: what `slow_down` adds to the pause, in seconds. */
const SLOW_DOWN_SECONDS = 5
/** RFC 8628 §3.2: the pause where the provider says none. */
const DEFAULT_INTERVAL_SECONDS = 5

/**
 * Shows the code and asks the agent again and again, until the person has approved or denied it or
 * its time is up.
 */
export async function waitForApproval(
  device: DeviceAuthorization,
  onlyToken: boolean,
  context: GenContext,
  signal: AbortSignal,
): Promise<Replies['device']> {
  const { io, host, agent } = context
  const deadline = io.now() + device.expires_in * 1000
  await showDeviceCode(device, io)
  const { device_code } = device
  const request = { request: 'device', oidc_device: { device_code }, only_at: onlyToken } as const
  const isLocked = untilUnlocked(context)
  let interval = device.interval > 0 ? device.interval : DEFAULT_INTERVAL_SECONDS
  while (io.now() < deadline) {
    await host.pause(interval * 1000, signal)
    try {
      return await callAgent(agent, request, { signal })
    } catch (error) {
      if (!isLocked(error)) interval = nextInterval(error, interval)
    }
  }
  throw new AgentError('provider-error', 'Device code is not valid any more! It has expired.', {
    hint: `It was to be entered within ${device.expires_in} seconds. Run oidc-gen again for a new one.`,
  })
}

/** Troubles that may be over before the code is. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'network',
  'provider-timeout',
  'provider-unavailable',
  'rate-limited',
])

/** The pause after an answer that leaves the flow open; others end it. */
function nextInterval(error: unknown, interval: number): number {
  if (!(error instanceof AgentError)) throw error
  if (error.code === 'authorization-pending') return interval
  if (error.code === 'slow-down') return interval + SLOW_DOWN_SECONDS
  // RFC 8628 §3.5: back off exponentially after a connection timeout.
  if (passing.has(error.code)) return interval * 2
  throw error
}

/** Tells the person, on stderr, where to enter which code; as a QR code too, if that can be seen. */
async function showDeviceCode(device: DeviceAuthorization, io: Io): Promise<void> {
  const { stderr } = io
  const uri = sanitize(device.verification_uri, 'line')
  stderr.write(`\nUsing a browser on any device, visit:\n${uri}\n\n`)
  stderr.write(`And enter the code: ${sanitize(device.user_code, 'line')}\n`)
  if (stderr.isTTY !== true) return
  const { qrText } = await import('../qr.ts')
  stderr.write('Alternatively you can use the following QR code to visit the above listed URL.\n\n')
  const whole = sanitize(device.verification_uri_complete ?? uri, 'line')
  stderr.writeRaw(`${qrText(whole, hasColour(io))}\n`)
}

/**
 * Whether what a poll failed with is only that the agent is locked, by a person who went away: the
 * login goes on when it is unlocked. The first time that is said.
 */
export function untilUnlocked({ io }: GenContext): (error: unknown) => boolean {
  let said = false
  return (error) => {
    if (!(error instanceof AgentError) || error.code !== 'agent-locked') return false
    if (!said) {
      io.stderr.write(
        'The agent is locked. The login goes on when it is unlocked by\n\t$ oidc-add -X\n',
      )
    }
    said = true
    return true
  }
}
