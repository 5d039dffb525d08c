import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Environment } from '../wire/agent-options.ts'
import { AgentError } from '../wire/errors.ts'
import { parseReply, type Replies, type RequestOf, type RequestType } from '../wire/messages.ts'
import { type AgentAddress, type CallOptions, readToEnd, withAgent } from './connection.ts'

export type { AgentAddress }

/**
 * Sends one request to an agent and returns its reply. Over a Unix socket in the clear: the permissions
 * of the socket's directory protect the exchange. Loads nothing but node:net for it, for the commands
 * that run thousands of times a day. Over TCP sealed (protocol.md §1.4): a network may be read by others.
 * @throws AgentError the error that the agent replied, or the reason why there was no reply
 */
export async function callAgent<T extends RequestType>(
  address: AgentAddress | undefined,
  request: RequestOf<T>,
  options: CallOptions = {},
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
 * Milliseconds to wait for a token. The agent may be asking the person for a password or a
 * confirmation, for which it allows 300 s; this bound only guards against an agent that hangs.
 */
export const TOKEN_TIMEOUT_MS = 330_000

/**
 * Calls the local agent, and the remote agent if the local one is unreachable or does not know the
 * account. If both fail, the local agent's error is thrown (protocol.md §1.5).
 * @throws AgentError as {@link callAgent}
 */
export async function callLocalOrRemote<T extends 'access_token' | 'id_token'>(
  { local, remote }: AgentAddresses,
  request: RequestOf<T>,
  { timeoutMs = TOKEN_TIMEOUT_MS, signal }: CallOptions = {},
): Promise<Replies[T]> {
  const call = { timeoutMs, signal }
  try {
    return await callAgent(local, request, call)
  } catch (localError) {
    if (remote === undefined || !isForRemote(localError)) throw localError
    try {
      return await callAgent(remote, request, call)
    } catch {
      throw localError
    }
  }
}

function isForRemote(error: unknown): boolean {
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
