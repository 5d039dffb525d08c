import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Environment } from '../wire/agent-options.ts'
import { AgentError } from '../wire/errors.ts'
import { parseReply, type Replies, type RequestOf, type RequestType } from '../wire/messages.ts'
import {
  type AgentAddress,
  type CallOptions,
  readToEnd,
  WAIT_TIMES,
  withAgent,
} from './connection.ts'

export type { AgentAddress }

/** Requests during which the agent may ask a person: they are waited for as long as it vouches for them. */
const mayAskPerson: ReadonlySet<RequestType> = new Set<RequestType>([
  'access_token',
  'id_token',
  'token_file',
])

/** Tells the person about a long wait; set by the commands, which have a terminal. */
let say: (line: string) => void = () => undefined

/** Lets `print` show lines about calls that take long, of all calls of this process. */
export function reportLongWaits(print: (line: string) => void): void {
  say = print
}

/**
 * Sends one request to an agent and returns its reply, in the clear or sealed, see {@link exchange}. A call
 * that takes longer than 5 s is reported to {@link reportLongWaits}. Without `timeoutMs`, an access token, ID
 * token or token file is waited for up to 330 s, as long as the agent answers checks (protocol.md §1.6), and
 * any other request for 60 s.
 * @throws AgentError the error that the agent replied, or the reason why there was no reply
 */
export async function callAgent<T extends RequestType>(
  address: AgentAddress | undefined,
  request: RequestOf<T>,
  options: CallOptions = {},
): Promise<Replies[T]> {
  const times = options.times ?? WAIT_TIMES
  const isWatched = options.timeoutMs === undefined && mayAskPerson.has(request.request)
  const nonce = isWatched ? newNonce() : undefined
  const ended = new AbortController()
  const hung = new AbortController()
  const check = (timeoutMs: number): Promise<Replies['check']> =>
    exchange(address, { request: 'check', nonce }, { timeoutMs, signal: ended.signal })
  const notice = setTimeout(() => {
    void import('./long-wait.ts').then(({ watchWait }) =>
      watchWait({
        times,
        say,
        check: isWatched ? check : undefined,
        fail: (error) => hung.abort(error),
        ended: ended.signal,
      }),
    )
  }, times.noticeMs).unref()
  const signal = AbortSignal.any([hung.signal, ...(options.signal ? [options.signal] : [])])
  const sent = nonce === undefined ? request : { ...request, nonce }
  const timeoutMs = isWatched ? times.totalMs : options.timeoutMs
  try {
    return await exchange(address, sent, { timeoutMs, signal })
  } finally {
    clearTimeout(notice)
    ended.abort()
  }
}

/** Names a request in a `check`. It need not be secret: it tells whether the request is under way. */
function newNonce(): string {
  return `${process.pid}.${Date.now().toString(36)}.${Math.random().toString(36).slice(2)}`
}

/**
 * One request and its reply. Over a Unix socket in the clear: the permissions of the socket's directory
 * protect the exchange. Loads nothing but node:net for it, for the commands that run thousands of times a
 * day. Over TCP sealed (protocol.md §1.4): a network may be read by others.
 */
async function exchange<T extends RequestType>(
  address: AgentAddress | undefined,
  request: RequestOf<T>,
  options: CallOptions,
): Promise<Replies[T]> {
  if (address?.kind === 'tcp') {
    const { callAgentSealed } = await import('./call-sealed.ts')
    return callAgentSealed(address, request, options)
  }
  return withAgent(address, options, async (socket) => {
    // One write: the C agent takes the result of one read as the whole message.
    socket.write(JSON.stringify(request))
    return parseReply<T>(request.request, await readToEnd(socket))
  })
}

/**
 * Calls the local agent, and the remote agent if the local one is unreachable or does not know the
 * account. If both fail, the local agent's error is thrown (protocol.md §1.5).
 * @throws AgentError as {@link callAgent}
 */
export function callLocalOrRemote<T extends 'access_token' | 'id_token'>(
  agents: AgentAddresses,
  request: RequestOf<T>,
  options: CallOptions = {},
): Promise<Replies[T]> {
  return withLocalOrRemote(agents, (agent) => callAgent(agent, request, options))
}

/** As {@link callLocalOrRemote}, for calls that belong together. */
export async function withLocalOrRemote<R>(
  { local, remote }: AgentAddresses,
  call: (agent: AgentAddress | undefined) => Promise<R>,
): Promise<R> {
  try {
    return await call(local)
  } catch (localError) {
    if (remote === undefined || !isForRemote(localError)) throw localError
    try {
      return await call(remote)
    } catch {
      throw localError
    }
  }
}

/** Whether the remote agent is called after this error of the local one. */
export function isForRemote(error: unknown): boolean {
  if (!(error instanceof AgentError)) return false
  return error.code === 'unknown-account' || error.code === 'agent-unreachable'
}

export interface AgentAddresses {
  readonly local: AgentAddress | undefined
  /**
   * A relay to an agent on another host (protocol.md §1.5), for accounts that the local agent does
   * not know.
   */
  readonly remote: AgentAddress | undefined
}

/** The C peer's default port for `OIDC_REMOTE_SOCK`. */
const REMOTE_PORT = 42_424

/**
 * The addresses of the agents that the environment names (protocol.md §1.1). `uid`: the user of the
 * agent.
 * @throws AgentError `usage` if `OIDC_REMOTE_SOCK` is not a host and a port
 */
export function agentAddresses(env: Environment, uid: number): AgentAddresses {
  const socket = env['OIDC_SOCK']
  const remote = env['OIDC_REMOTE_SOCK']
  const path = isSet(socket) ? socket : serviceSocket(env, uid)
  return {
    local: path === undefined ? undefined : { kind: 'unix', path },
    remote: isSet(remote) ? tcpAddress(remote) : undefined,
  }
}

/** The socket of oidc-agent-service, if it exists and no other user can have created it. */
function serviceSocket(env: Environment, uid: number): string | undefined {
  const base = isSet(env['TMPDIR']) ? env['TMPDIR'] : '/tmp'
  const path = join(base, `oidc-agent-service-${uid}`, 'oidc-agent.sock')
  return owner(dirname(path)) === uid && owner(path) === uid ? path : undefined
}

function owner(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.uid
}

function tcpAddress(text: string): AgentAddress {
  const [, bracketed, name, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? name
  const port = Number(digits ?? REMOTE_PORT)
  if (host === undefined || port > 65_535) {
    throw new AgentError('usage', `OIDC_REMOTE_SOCK is not HOST or HOST:PORT: ${text}`)
  }
  return { kind: 'tcp', host, port }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}
