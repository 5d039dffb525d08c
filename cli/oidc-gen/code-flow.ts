import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { AccessTokenReply, BrowserStartedReply, ConfigReply } from '../../protocol/messages.ts'
import { untilUnlocked } from './locked-agent.ts'
import { mayPaste, pastedAnswer } from './paste-redirect.ts'
import type { GenContext } from './setting.ts'
import { hasDisplay, showAddress } from './show-address.ts'

/** How long the agent waits for the browser. */
const WAIT_MS = 600_000
const POLL_MS = 1000
/** How long the agent may take to be told that nobody waits any more. */
const GIVE_UP_TIMEOUT_MS = 3000

/** How a login by browser ended: undefined where another oidc-gen finishes it. */
export type BrowserEnd = ConfigReply | AccessTokenReply | undefined

/**
 * Sends the person to the provider and waits until the browser has come back, to the agent's web
 * server or, as an address that was pasted, to the terminal.
 */
export async function waitForBrowser(
  started: BrowserStartedReply,
  context: GenContext,
  signal: AbortSignal,
): Promise<BrowserEnd> {
  const { agent, host, io, options, explain } = context
  // The C agent 4.x does not encode the values in it (protocol.md §2.5).
  const uri = started.uri.replaceAll(' ', '%20')
  const { served } = showAddress(uri, context)
  if (!options.noUrlCall && hasDisplay(io.env)) {
    host.openBrowser(uri, () => explain('could not open a browser by xdg-open'))
  }
  const pastes = mayPaste(context)
  // As the C tool: whoever is handed the redirect completes the account.
  if (!served && !pastes) return undefined
  try {
    return await firstAnswer(started, pastes, context, signal)
  } finally {
    const request = { request: 'term_http_server', state: started.state } as const
    await callAgent(agent, request, { timeoutMs: GIVE_UP_TIMEOUT_MS }).catch(() => undefined)
  }
}

async function firstAnswer(
  started: BrowserStartedReply,
  pastes: boolean,
  context: GenContext,
  signal: AbortSignal,
): Promise<BrowserEnd> {
  const settled = new AbortController()
  const either = AbortSignal.any([signal, settled.signal])
  const ways = [polledAnswer(started.state, context, either)]
  if (pastes) ways.push(pastedAnswer(context, either))
  try {
    return await Promise.race(ways)
  } finally {
    settled.abort()
    // The terminal is given back before it is asked for a password.
    await Promise.allSettled(ways)
  }
}

async function polledAnswer(
  state: string,
  context: GenContext,
  signal: AbortSignal,
): Promise<BrowserEnd> {
  const { agent, host, io } = context
  const isLocked = untilUnlocked(context)
  const deadline = io.now() + WAIT_MS
  while (io.now() < deadline) {
    await host.pause(POLL_MS, signal)
    try {
      const reply = await callAgent(agent, { request: 'state_lookup', state }, { signal })
      if (reply.status === 'success') return reply
      if (reply.status === 'FoundButReceived') return undefined
    } catch (error) {
      if (!isLocked(error)) throw error
    }
  }
  throw new AgentError('provider-error', 'The login has expired: nobody finished it in time.', {
    hint: `The browser was waited for ${WAIT_MS / 60_000} minutes. Run oidc-gen again for a new login.`,
  })
}
