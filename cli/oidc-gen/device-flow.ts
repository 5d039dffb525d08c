import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import type { DeviceAuthorization, Replies } from '../../protocol/wire/messages.ts'
import { sanitize } from '../../protocol/wire/text.ts'
import { hasColour, type Io } from '../run.ts'
import type { GenHost } from './host.ts'

/** RFC 8628 §3.5: what `slow_down` adds to the interval, in seconds. */
const SLOW_DOWN_SECONDS = 5
/** RFC 8628 §3.2: the interval if the provider gives none. */
const DEFAULT_INTERVAL_SECONDS = 5

/** What asking the agent again and again takes. */
export interface Polling {
  readonly agent: AgentAddress | undefined
  readonly io: Pick<Io, 'env' | 'now' | 'stderr'>
  readonly pause: GenHost['pause']
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/**
 * Shows the code and polls the agent until the person has approved or denied the login or the code has
 * expired (RFC 8628 §3.5).
 * @throws AgentError `provider-error` if the code has expired; what ended the login; `cancelled`
 */
export async function waitForApproval(
  device: DeviceAuthorization,
  onlyToken: boolean,
  { agent, io, pause, signal }: Polling,
): Promise<Replies['device']> {
  const deadline = io.now() + device.expires_in * 1000
  await showDeviceCode(device, io)
  const { device_code } = device
  const request = { request: 'device', oidc_device: { device_code }, only_at: onlyToken } as const
  const isLocked = untilUnlocked(io)
  let interval = device.interval > 0 ? device.interval : DEFAULT_INTERVAL_SECONDS
  while (io.now() < deadline) {
    await pause(interval * 1000, signal)
    try {
      return await callAgent(agent, request, { signal })
    } catch (error) {
      if (!isLocked(error)) interval = nextInterval(error, interval)
    }
  }
  throw new AgentError('provider-error', 'Device code is not valid any more! It has expired.', {
    hint: `It had to be entered within ${device.expires_in} seconds. Run oidc-gen again for a new code.`,
  })
}

/** Failures that may pass before the code expires. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'network',
  'provider-timeout',
  'provider-unavailable',
  'rate-limited',
])

/** The interval in seconds after an error that leaves the flow open. Throws an error that ends it. */
function nextInterval(error: unknown, interval: number): number {
  if (!(error instanceof AgentError)) throw error
  if (error.code === 'authorization-pending') return interval
  if (error.code === 'slow-down') return interval + SLOW_DOWN_SECONDS
  // RFC 8628 §3.5: back off exponentially after a connection timeout.
  if (passing.has(error.code)) return interval * 2
  throw error
}

/** Shows on stderr where to enter which code; on a terminal as a QR code too. */
async function showDeviceCode(device: DeviceAuthorization, io: Polling['io']): Promise<void> {
  const { stderr } = io
  const uri = sanitize(device.verification_uri, 'line')
  stderr.write(`\nUsing a browser on any device, visit:\n${uri}\n\n`)
  stderr.write(`And enter the code: ${sanitize(device.user_code, 'line')}\n`)
  if (stderr.isTTY !== true) return
  stderr.write('Alternatively you can use the following QR code to visit the above listed URL.\n\n')
  const complete = sanitize(device.verification_uri_complete ?? uri, 'line')
  stderr.writeRaw(`${await qrCode(complete, hasColour(io))}\n`)
}

/**
 * `text` as a QR code in block characters, two rows a line. With colours it is light on dark, as
 * scanners expect, whatever colours the terminal has.
 */
async function qrCode(text: string, colours: boolean): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr')
  const code = renderUnicodeCompact(text, { border: 2 })
  if (!colours) return code
  return code
    .split('\n')
    .map((line) => `\u001b[97;40m${line}\u001b[0m`)
    .join('\n')
}

/**
 * Tells of an error whether it only means that the agent is locked: polling goes on then. The first
 * such error is reported to the person.
 */
export function untilUnlocked({ stderr }: Pick<Io, 'stderr'>): (error: unknown) => boolean {
  let isReported = false
  return (error) => {
    if (!(error instanceof AgentError) || error.code !== 'agent-locked') return false
    if (!isReported) {
      stderr.write('The agent is locked. To continue the login, unlock it by\n\t$ oidc-add -X\n')
    }
    isReported = true
    return true
  }
}
