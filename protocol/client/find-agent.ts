import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Environment } from '../wire/agent-options.ts'
import { AgentError } from '../wire/errors.ts'

/** The address of an agent's socket. */
export type AgentAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

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
