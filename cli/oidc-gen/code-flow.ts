import { callAgent } from '../../protocol/client/call.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type {
  AccessTokenReply,
  BrowserStartedReply,
  ConfigReply,
} from '../../protocol/wire/messages.ts'
import { sanitize } from '../../protocol/wire/text.ts'
import type { Io } from '../run.ts'
import { type Polling, untilUnlocked } from './device-flow.ts'
import type { BrowserPlan } from './plan.ts'
import type { Prompter } from './prompter.ts'

/** How long the agent waits for the browser. */
const WAIT_MS = 600_000
const POLL_MS = 1000
/** How long the agent may take to stop its web server after the login. */
const GIVE_UP_TIMEOUT_MS = 3000

/** How a login by browser ended: undefined if another oidc-gen completes it. */
export type BrowserEnd = ConfigReply | AccessTokenReply | undefined

/** The person, at a browser and at this terminal. */
interface Person {
  readonly prompter: Prompter
  readonly openBrowser: (uri: string) => void
}

/**
 * Sends the person to the provider and waits until the browser was redirected to the agent's web
 * server, or until the address it was redirected to is pasted into the terminal.
 * @throws AgentError `provider-error` if the login has expired; what ended the login; `cancelled`
 */
export async function waitForBrowser(
  started: BrowserStartedReply,
  plan: BrowserPlan,
  polling: Polling,
  { prompter, openBrowser }: Person,
): Promise<BrowserEnd> {
  const { agent, io } = polling
  // The C agent 4.x does not encode the values in it (protocol.md §2.5).
  const uri = started.uri.replaceAll(' ', '%20')
  const { isServed } = showAddress(uri, plan, io)
  if (plan.isOpened) openBrowser(uri)
  const mayPaste = isQuestionSeen(prompter, io)
  // As with the C tool, the oidc-gen that receives the redirect completes the account.
  if (!isServed && !mayPaste) return undefined
  try {
    return await firstReply(started, polling, mayPaste ? prompter : undefined)
  } finally {
    const request = { request: 'term_http_server', state: started.state } as const
    await callAgent(agent, request, { timeoutMs: GIVE_UP_TIMEOUT_MS }).catch(() => undefined)
  }
}

/** The reply to a poll or, with a `prompter`, to a pasted address: whichever comes first. */
async function firstReply(
  { state }: BrowserStartedReply,
  polling: Polling,
  prompter: Prompter | undefined,
): Promise<BrowserEnd> {
  const settled = new AbortController()
  const signal = AbortSignal.any([polling.signal, settled.signal])
  const replies = [polledReply(state, { ...polling, signal })]
  if (prompter !== undefined) replies.push(pastedReply(prompter, polling.agent, signal))
  try {
    return await Promise.race(replies)
  } finally {
    settled.abort()
    // The terminal is free again before it is asked for a password.
    await Promise.allSettled(replies)
  }
}

async function polledReply(
  state: string,
  { agent, io, pause, signal }: Polling,
): Promise<BrowserEnd> {
  const isLocked = untilUnlocked(io)
  const deadline = io.now() + WAIT_MS
  while (io.now() < deadline) {
    await pause(POLL_MS, signal)
    try {
      const reply = await callAgent(agent, { request: 'state_lookup', state }, { signal })
      if (reply.status === 'success') return reply
      if (reply.status === 'FoundButReceived') return undefined
    } catch (error) {
      if (!isLocked(error)) throw error
    }
  }
  throw new AgentError('provider-error', 'The login has expired: it was not completed in time.', {
    hint: `oidc-gen waited ${WAIT_MS / 60_000} minutes for the browser. Run oidc-gen again for a new login.`,
  })
}

const QUESTION = 'Waiting for the browser. Or paste the address here that it was sent to'

/** Whether the person sees a question asked while the browser is waited for. */
function isQuestionSeen(prompter: Prompter, { stderr }: Polling['io']): boolean {
  // With stderr elsewhere the person sees no address either, and does not expect to paste one.
  return stderr.isTTY === true && prompter.hasTerminal()
}

/** Completes the login with the address that the person pastes. Asks again after a wrong one. */
async function pastedReply(
  prompter: Prompter,
  agent: Polling['agent'],
  signal: AbortSignal,
): Promise<ConfigReply | AccessTokenReply> {
  for (;;) {
    const pasted = (await prompter.terminal().ask(QUESTION, { signal })).trim()
    if (pasted === '') continue
    try {
      checkRedirected(pasted)
      // Not `from_gen`: the poll of this same oidc-gen may be the first to see that the login is done.
      return await callAgent(agent, { request: 'code_exchange', redirect_uri: pasted }, { signal })
    } catch (error) {
      if (!(error instanceof AgentError) || !pasteErrors.includes(error.code)) throw error
      prompter.say(`Error: ${error.message}`)
    }
  }
}

/** Errors that another paste may avoid. */
const pasteErrors = ['bad-request', 'wrong-state']

/**
 * The state in an address that a browser was redirected to after a login (RFC 6749 §4.1.2). An error
 * response passes: the agent ends the login with it.
 * @throws AgentError `bad-request` if the address has no state, or neither code nor error
 */
export function checkRedirected(uri: string): string {
  const start = uri.indexOf('?')
  const query = new URLSearchParams(start < 0 ? '' : uri.slice(start + 1))
  const state = query.get('state') ?? ''
  if (state === '') throw lacks('a state')
  if ((query.get('error') ?? '') === '' && (query.get('code') ?? '') === '') throw lacks('a code')
  return state
}

/** The path of the agent's socket in a login's state (protocol.md §2.5); undefined if there is none. */
export function socketIn(state: string): string | undefined {
  const [, length, encoded] = /^\d:[^:]*:(\d+):([\w-]+)$/.exec(state) ?? []
  if (encoded === undefined) return undefined
  const path = Buffer.from(encoded, 'base64url')
  return path.length === Number(length) ? path.toString() : undefined
}

function lacks(what: string): AgentError {
  return new AgentError('bad-request', `Uri does not contain ${what}`, {
    hint: 'Copy the whole address that the browser shows after the login, and put it in single quotes.',
  })
}

/** Shows on stderr where to log in, and what to do if the browser cannot reach the redirect URI. */
function showAddress(
  uri: string,
  { hasDisplay, webServer }: BrowserPlan,
  { stderr }: Pick<Io, 'stderr'>,
): { readonly isServed: boolean } {
  stderr.write(
    `\nTo continue and approve the registered client visit the following URL in a Browser of your choice:\n${sanitize(uri, 'line')}\n\n`,
  )
  const redirect = redirectUriIn(uri)
  const isLocal = redirect.startsWith('http://')
  if (!isLocal) {
    stderr.write(
      'You are using a redirect uri with a custom scheme. Your browser will redirect you to another oidc-gen instance automatically. You then can complete the account configuration generation process there.\n',
    )
  } else if (!webServer) {
    stderr.write(
      `You have chosen to not use a webserver. You therefore have to do a manual redirect. Your browser will redirect you to '${redirect}' which will not succeed, because oidc-agent did not start a webserver. Copy the whole url you are being redirected to and pass it to:\noidc-gen --codeExchange='<url>'\n`,
    )
  } else if (!hasDisplay) {
    stderr.write(
      `If that browser runs on another machine, it will end at an address that begins with ${redirect} and cannot be opened there. Copy the whole address and pass it to:\noidc-gen --codeExchange='<url>'\n`,
    )
  }
  return { isServed: isLocal && webServer }
}

function redirectUriIn(uri: string): string {
  if (!URL.canParse(uri)) return ''
  return sanitize(new URL(uri).searchParams.get('redirect_uri') ?? '', 'line')
}
