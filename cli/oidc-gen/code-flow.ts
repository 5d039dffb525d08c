import { callAgent } from '../../protocol/client/call.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type {
  AccessTokenReply,
  BrowserStartedReply,
  ConfigReply,
} from '../../protocol/wire/messages.ts'
import { sanitize } from '../../protocol/wire/text.ts'
import type { Io } from '../run.ts'
import type { GenContext } from './context.ts'
import { untilUnlocked } from './device-flow.ts'

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

const QUESTION = 'Waiting for the browser. Or paste the address here that it was sent to'

/** Whether the person can be asked for the address while the browser is waited for. */
function mayPaste({ prompter, io }: GenContext): boolean {
  // Who does not see the question on stderr's terminal does not wait at it either.
  return io.stderr.isTTY === true && prompter.hasTerminal()
}

/** Finishes the login with the address that the person pastes; asks until one does. */
async function pastedAnswer(
  { agent, prompter }: GenContext,
  signal: AbortSignal,
): Promise<ConfigReply | AccessTokenReply> {
  for (;;) {
    const pasted = (await prompter.passwords().ask(QUESTION, { signal })).trim()
    if (pasted === '') continue
    try {
      checkRedirected(pasted)
      // Not `from_gen`: this same oidc-gen may see by its polling first that the login is done.
      return await callAgent(agent, { request: 'code_exchange', redirect_uri: pasted }, { signal })
    } catch (error) {
      if (!(error instanceof AgentError) || !mendable.includes(error.code)) throw error
      prompter.say(`Error: ${error.message}`)
    }
  }
}

/** What another paste may do better. */
const mendable = ['bad-request', 'wrong-state']

/**
 * Checks that `uri` is an address a browser was redirected to after a login, and gives its state.
 * What the provider says of an error is for the agent to tell, which ends the login then.
 * @throws AgentError `bad-request`
 */
export function checkRedirected(uri: string): string {
  const start = uri.indexOf('?')
  const query = new URLSearchParams(start < 0 ? '' : uri.slice(start + 1))
  const state = query.get('state') ?? ''
  if (state === '') throw lacks('a state')
  if ((query.get('error') ?? '') === '' && (query.get('code') ?? '') === '') throw lacks('a code')
  return state
}

/** The path of the agent's socket that a login's state holds (protocol.md §2.5). */
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

/** Where the person's browser comes back to. */
interface Shown {
  /** Whether the agent waits for it there. */
  readonly served: boolean
}

/** Tells the person, on stderr, where to log in, and what to do if the browser cannot come back. */
function showAddress(uri: string, { io, options }: GenContext): Shown {
  const { stderr } = io
  stderr.write(
    `\nTo continue and approve the registered client visit the following URL in a Browser of your choice:\n${sanitize(uri, 'line')}\n\n`,
  )
  const redirect = redirectUriIn(uri)
  const isLocal = redirect.startsWith('http://')
  if (!isLocal) {
    stderr.write(
      'You are using a redirect uri with a custom scheme. Your browser will redirect you to another oidc-gen instance automatically. You then can complete the account configuration generation process there.\n',
    )
  } else if (options.noWebserver) {
    stderr.write(
      `You have chosen to not use a webserver. You therefore have to do a manual redirect. Your browser will redirect you to '${redirect}' which will not succeed, because oidc-agent did not start a webserver. Copy the whole url you are being redirected to and pass it to:\noidc-gen --codeExchange='<url>'\n`,
    )
  } else if (!hasDisplay(io.env)) {
    stderr.write(
      `If that browser runs on another machine, it will end at an address that begins with ${redirect} and cannot be opened there. Copy the whole address and pass it to:\noidc-gen --codeExchange='<url>'\n`,
    )
  }
  return { served: isLocal && !options.noWebserver }
}

/** Whether a browser can show itself. */
export function hasDisplay(env: Io['env']): boolean {
  return (env['DISPLAY'] ?? '') !== '' || (env['WAYLAND_DISPLAY'] ?? '') !== ''
}

function redirectUriIn(uri: string): string {
  if (!URL.canParse(uri)) return ''
  return sanitize(new URL(uri).searchParams.get('redirect_uri') ?? '', 'line')
}
